# Laid out as in Docker Hub's nginx: one server in conf.d, the pages in /usr/share/nginx/html.
groupadd --system --gid 101 nginx
useradd --system --gid nginx --uid 101 --no-create-home --home /nonexistent \
    --comment "nginx user" --shell /bin/false nginx
rm -r /etc/nginx/modules-available /etc/nginx/modules-enabled /etc/nginx/sites-available \
    /etc/nginx/sites-enabled /etc/nginx/snippets
rm -rf /var/www
ln -sf /dev/stdout /var/log/nginx/access.log
ln -sf /dev/stderr /var/log/nginx/error.log
mkdir -p /docker-entrypoint.d /var/cache/nginx
