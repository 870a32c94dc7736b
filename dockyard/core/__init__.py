"""What all other packages build on: paths, processes, waiting, ports, the docker client."""
