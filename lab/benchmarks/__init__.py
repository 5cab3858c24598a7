"""Each server beside its real peer in the same run, and a floor that shows what this language could do at most."""
