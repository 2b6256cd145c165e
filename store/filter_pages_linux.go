package store

import "golang.org/x/sys/unix"

// hugePages asks for pages of 2 MiB: the bits of a key are anywhere in tens of megabytes, and each look-up would have the processor find out
// where a page of 4 KiB is. Where the system gives none, those of 4 KiB do.
func hugePages(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }
