"""What is asked and answered: payloads, sealed boxes, answers, and the owner's rules about them.

Nothing here knows Serf, a database server or the environment. Uses trust and the ground.
"""
