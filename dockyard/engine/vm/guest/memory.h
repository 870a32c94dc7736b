/* Gives memory that the machine no longer uses back to the host. */
#pragma once

#include <stdbool.h>

/* Give memory back now, or whenever the machine has been idle for a minute; then it does not return.
 */
int keep_memory_small(bool now);
