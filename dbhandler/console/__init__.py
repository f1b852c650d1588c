"""The cluster as a page in a browser: what gossip, the servers' answers and the servers themselves tell.

Looks, and changes nothing unless somebody who has logged in asks for it; then it does what a command does that the page
shows. Whatever a member says is hostile: it is parsed below (serf, requests), bounded here (sight.py), and escaped by
the templates. Uses pool, status, client, group, provisioning and below.
"""
