/* Sets the machine's clock by the host's. */
#pragma once

/* Set the clock every minute; does not return. */
int keep_clock(void);
