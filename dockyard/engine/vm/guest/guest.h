/* The parts of the program guest; what each does is said at its top. */
#pragma once

/* The word after the one called name, or an empty text. */
const char *option(char **words, const char *name);

/* clock.c */
int keep_clock(char **words);

/* ports.c */
int call_host(void);
int publish(char **words);
int run_iptables(char **words);

/* runtime.c */
int run_container(const char *runtime, int count, char **words);
int set_key(int count, char **words);
