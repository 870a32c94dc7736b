# Laid out as in Docker Hub's httpd, so that the same Dockerfile works on both.
prefix=/usr/local/apache2
mkdir -p /etc/apache2 $prefix/bin $prefix/cgi-bin $prefix/htdocs $prefix/logs
# A hard link: the process is then called httpd, as Apache itself calls it.
ln /usr/sbin/apache2 $prefix/bin/httpd
for program in ab htdigest htpasswd logresolve; do ln -s /usr/bin/$program $prefix/bin/$program; done
ln -s /usr/lib/apache2/modules $prefix/modules
# Where Debian's build of the program looks when no file is named.
ln -s $prefix/conf/httpd.conf /etc/apache2/apache2.conf
ln -s /etc/mime.types $prefix/conf/mime.types
echo '<html><body><h1>It works!</h1></body></html>' > $prefix/htdocs/index.html
