rm -r /etc/redis
mkdir /data
chown redis:redis /data
