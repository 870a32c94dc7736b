# A virtual machine to compare containers with: QEMU, Debian's kernel for clouds, and one busybox
# as its root file system, in memory. Of QEMU's packages only what a start reads is kept.
case "$(dpkg --print-architecture)" in
    amd64) package=qemu-system-x86 program=qemu-system-x86_64 flavour=cloud-amd64 ;;
    arm64) package=qemu-system-arm program=qemu-system-aarch64 flavour=cloud-arm64 ;;
esac
apt-get -o APT::Sandbox::User=root install --yes --no-install-recommends $package
cd /root
kernel=$(apt-cache depends --important linux-image-$flavour | sed -n 's/^ *Depends: //p' | head -n 1)
apt-get -o APT::Sandbox::User=root download "$kernel"
dpkg-deb --fsys-tarfile "$kernel"_*.deb | tar --extract ./boot
mkdir -p fs/bin fs/proc /out/usr/bin /out/usr/local/bin /out/usr/share/vm
cp boot/vmlinuz-* /out/usr/share/vm/kernel
cp /bin/busybox fs/bin/
chroot fs /bin/busybox --install -s /bin
install -m 755 /usr/share/vm/init fs/init
(cd fs && find . | LC_ALL=C sort | cpio --quiet --create --format=newc --reproducible | gzip -n) \
    > /out/usr/share/vm/root.cpio.gz
mv /usr/local/bin/vm /out/usr/local/bin/
cp /usr/bin/$program /out/usr/bin/
{
    ldd /usr/bin/$program | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | sed 's,^/lib,/usr/lib,'
    find /usr/lib/*/qemu -name 'accel-*.so'
    find /usr/share/seabios /usr/share/qemu \
        -name bios-256k.bin -o -name kvmvapic.bin -o -name linuxboot_dma.bin
} | sort --unique | xargs tar --create --dereference --absolute-names | tar --extract --directory=/out
