# pip as python.org's own installation has it, from the wheel that Debian has for venv: it cannot
# replace the modules of Debian's packages, which python3-pip would bring.
rm /usr/lib/python3*/EXTERNALLY-MANAGED
wheels=/usr/share/python-wheels
PYTHONPATH=$(echo $wheels/pip-*.whl) python3 -m pip install --no-index --find-links $wheels \
    --root-user-action ignore --quiet pip
for name in python python3; do ln -s /usr/bin/python3 /usr/local/bin/$name; done
[ -e /usr/local/bin/pip ] || ln -s pip3 /usr/local/bin/pip
