package blob

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// prefault gives b its memory, all at once. Memory that was never used comes page by page as it is written to, each by way of a
// fault: in one virtual machine, reading and checking 2.4 MB took 21 ms without this and 14 with it. It is only advice: nothing but
// time shows whether it is heeded.
func prefault(b []byte) {
	page := uintptr(os.Getpagesize())
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) % page)
	if whole := (len(b) - skip) / int(page) * int(page); whole > 0 {
		_ = unix.Madvise(b[skip:skip+whole], unix.MADV_POPULATE_WRITE)
	}
}
