// What runs first in the default guest: files of the initramfs that are text.

/** /init: mounts, a banner, then one command or a shell on the console; the end of either is the end of the machine. */
export const initScript = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /root /mnt /bin /sbin /usr/bin /usr/sbin
/bin/busybox mount -t proc -o nosuid,nodev,noexec proc /proc
/bin/busybox --install -s 2>/dev/null
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=\${TERM:-linux}
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t devtmpfs -o nosuid,mode=0755 devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=0620 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev tmpfs /run
mount -t tmpfs -o nosuid,nodev tmpfs /tmp
hostname cbit
stty rows 24 cols 80 2>/dev/null
ifconfig lo 127.0.0.1 up 2>/dev/null

# busybox's poweroff, reboot and halt ask process 1 by these signals
trap 'exec /bin/busybox poweroff -f' USR2
trap 'exec /bin/busybox reboot -f' TERM
trap 'exec /bin/busybox halt -f' USR1

# cbit.run=COMMAND or cbit.run="COMMAND WITH SPACES" on the kernel's command line
command=$(sed -n -e 's/.*cbit\\.run="\\([^"]*\\)".*/\\1/p' -e t -e 's/.*cbit\\.run=\\([^ ]*\\).*/\\1/p' /proc/cmdline)

echo
echo "cbit guest: $(uname -sr), $(grep -c ^processor /proc/cpuinfo) processor, $(sed -n 's/MemTotal: *//p' /proc/meminfo)"
dmesg | sed -n 's/^.*\\(Memory Encryption Features active.*\\)/\\1/p'

if [ -n "$command" ]; then
  sh -c "$command" </dev/console >/dev/console 2>&1 &
  wait $!
  status=$?
  if [ $status -ne 0 ]; then
    echo "cbit.run: exit status $status"
    sync
    # isa-debug-exit: the machine ends with code 2 * status + 1
    printf "\\\\$(printf %o $status)" | dd of=/dev/port bs=1 seek=244 count=1 2>/dev/null
  fi
else
  echo "'poweroff' or 'exit' ends the machine."
  echo
  cd /root
  setsid cttyhack sh -l &
  wait $!
fi
exec /bin/busybox poweroff -f
`

export const profile = `export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
export PS1='cbit:\\w\\$ '
`

export const textFiles: readonly { readonly path: string; readonly mode: number; readonly text: string }[] = [
  { path: 'init', mode: 0o755, text: initScript },
  { path: 'etc/profile', mode: 0o644, text: profile },
  { path: 'etc/passwd', mode: 0o644, text: 'root:x:0:0:root:/root:/bin/sh\n' },
  { path: 'etc/group', mode: 0o644, text: 'root:x:0:\ntty:x:5:\n' },
  { path: 'etc/hostname', mode: 0o644, text: 'cbit\n' },
]
