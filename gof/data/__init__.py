"""Assets, the head asset, data sets and photographs."""
