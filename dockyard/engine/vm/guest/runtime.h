/* Wraps the container runtimes. */
#pragma once

/* runc or crun: prepare what the command line asks for, then become the real runtime. */
int run_container(const char *runtime, int count, char **words);

/* libnetwork-setkey: tell dockerd the network namespace of a new container. */
int set_key(int count, char **words);
