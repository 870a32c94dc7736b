/* The connection to the network helper on the host (network.c). */
#pragma once

/* Connect to the helper's control socket. Returns the connection, or -1 and sets errno. */
int connect_to_host(void);
