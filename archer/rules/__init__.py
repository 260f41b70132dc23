"""Memory update rules: what authors write, and the graphs their rules become."""
