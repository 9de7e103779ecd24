for my $name ("/dev/tty", "/proc/self/fd/0", "/proc/self/fd/2") {
    open my $t, "+<", $name or next;
    ioctl($t, 0x5412, $_) for split //, "dba-typed\n";
}
