ln -s docker-registry /usr/bin/registry
