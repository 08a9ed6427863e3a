"""One job on several processes or machines, on engines that exist."""
