package blob

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Since Linux 5.8, syncfs reports every failure to write something back since the descriptor was opened. Before, it told of nothing.
const reliableMajor, reliableMinor = 5, 8

// syncsReliably says whether syncfs can be relied on below dir: that the kernel is new enough, and the file system one of those
// that are known to write what they have and to flush the disk, and to say so if they fail.
func syncsReliably(dir *os.File) bool {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil {
		return false
	}
	if major < reliableMajor || major == reliableMajor && minor < reliableMinor {
		return false
	}
	var st unix.Statfs_t
	if unix.Fstatfs(int(dir.Fd()), &st) != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return true
	}
	return false
}

func syncFileSystem(dir int) error { return unix.Syncfs(dir) }
