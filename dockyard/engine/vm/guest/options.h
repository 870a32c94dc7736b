/* Reads options of a command line. */
#pragma once

#include <string.h>

/* The word after the one called name, or an empty string. */
static inline const char *option(char **words, const char *name)
{
    for (; words[0] && words[1]; words++)
        if (!strcmp(words[0], name))
            return words[1];
    return "";
}
