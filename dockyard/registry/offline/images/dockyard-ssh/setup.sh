# Who logs in may use Docker. There is no password: a key in .ssh/authorized_keys lets them in.
useradd --create-home --shell /bin/sh --groups docker --password '*' learner
install --directory --mode 700 --owner learner --group learner /home/learner/.ssh
rm -f /etc/ssh/ssh_host_*
# The lesson is refused on purpose. It must not be locked out for that, as an attacker would be.
printf 'PasswordAuthentication no\nPerSourcePenalties no\n' > /etc/ssh/sshd_config.d/course.conf
