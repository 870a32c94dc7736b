# A virtual machine to compare containers with: QEMU, Debian's kernel for clouds, and a disk in
# QEMU's format qcow2 with one busybox as its root file system. The kernel has its drivers for the
# disk as modules, so an initial RAM disk loads them. Of QEMU's packages only what a start reads is
# kept.
case "$(dpkg --print-architecture)" in
    amd64) package=qemu-system-x86 program=qemu-system-x86_64 flavour=cloud-amd64 ;;
    arm64) package=qemu-system-arm program=qemu-system-aarch64 flavour=cloud-arm64 ;;
esac
apt-get -o APT::Sandbox::User=root install --yes --no-install-recommends $package qemu-utils
cd /root
kernel=$(apt-cache depends --important linux-image-$flavour | sed -n 's/^ *Depends: //p' | head -n 1)
apt-get -o APT::Sandbox::User=root download "$kernel"
dpkg-deb --extract "$kernel"_*.deb kernel
modules=$(dirname "$(find kernel -name modules.builtin)")
version=${modules##*/}
mkdir -p /lib/modules && mv "$modules" /lib/modules/
depmod "$version"

mkdir -p /out/usr/bin /out/usr/local/bin /out/usr/share/vm disk/bin disk/dev disk/proc first/bin first/modules first/dev first/disk
for root in disk first; do
    cp /bin/busybox $root/bin/
    chroot $root /bin/busybox --install -s /bin
done
install -m 755 /usr/share/vm/init disk/init
install -m 755 /usr/share/vm/first-init first/init
for name in virtio_pci virtio_blk ext4; do
    modprobe --show-depends --set-version "$version" $name
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' > modules
number=100
while read -r file; do
    number=$((number + 1))
    name=${file##*/}
    case $file in
        *.xz) xz --decompress --stdout "$file" > "first/modules/$number-${name%.xz}" ;;
        *) cp "$file" "first/modules/$number-$name" ;;
    esac
done < modules
(cd first && find . | LC_ALL=C sort | cpio --quiet --create --format=newc --reproducible | gzip -n) \
    > /out/usr/share/vm/first.cpio.gz
# Everything in the file system has the time of the newest package, so that the disk is the same
# each time it is made.
find disk -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -t ext4 -d disk -U 7d6b8c0e-1c5e-4f0e-9b5e-d0c8a7d00001 \
    -E hash_seed=7d6b8c0e-1c5e-4f0e-9b5e-d0c8a7d00002 -O ^has_journal disk.raw 16M
qemu-img convert -f raw -O qcow2 disk.raw /out/usr/share/vm/disk.qcow2
cp kernel/boot/vmlinuz-* /out/usr/share/vm/kernel
mv /usr/local/bin/vm /out/usr/local/bin/
cp /usr/bin/$program /usr/bin/qemu-img /out/usr/bin/
{
    ldd /usr/bin/$program /usr/bin/qemu-img | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | sed 's,^/lib,/usr/lib,'
    find /usr/lib/*/qemu -name 'accel-*.so'
    find /usr/share/seabios /usr/share/qemu \
        -name bios-256k.bin -o -name kvmvapic.bin -o -name linuxboot_dma.bin
} | sort --unique | xargs tar --create --dereference --absolute-names | tar --extract --directory=/out
