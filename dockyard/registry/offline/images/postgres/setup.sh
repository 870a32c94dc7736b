# Laid out as in Docker Hub's postgres: no cluster yet, and the user has the same number.
groupmod --gid 999 postgres
usermod --uid 999 --gid 999 --shell /bin/bash postgres
rm -rf /etc/postgresql /var/lib/postgresql
install --directory --owner postgres --group postgres --mode 1777 /var/lib/postgresql \
    /var/lib/postgresql/data
install --directory --owner postgres --group postgres --mode 3777 /var/run/postgresql
mkdir /docker-entrypoint-initdb.d
# Clients come from other containers.
sed -i "s/^#listen_addresses = 'localhost'/listen_addresses = '*'/" \
    /usr/share/postgresql/17/postgresql.conf.sample
# Compiling queries (JIT) takes half of the image, and PostgreSQL does without when it is missing.
rm -r /usr/lib/postgresql/17/lib/bitcode
rm /usr/lib/postgresql/17/lib/llvmjit* /usr/lib/*/libLLVM* /usr/lib/*/libz3.so*
