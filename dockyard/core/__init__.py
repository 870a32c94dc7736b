"""What every other package builds on: paths, processes, waiting, ports, the docker client."""
