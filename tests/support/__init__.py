"""What tests of several folders share: stand-ins, containers, waiting. No test is here."""
