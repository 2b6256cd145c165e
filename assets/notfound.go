package assets

import (
	"slices"
	"strings"
	"unsafe"

	"berth/assets/manifest"
)

const notFoundPage = "404.html"

// notFoundTree finds the nearest 404.html. Walking up from the path with a look-up in each directory would cost the
// square of the path's length, which is the visitor's to choose; here it is one bisection and a walk over integers.
type notFoundTree struct {
	files *manifest.Manifest
	nodes []notFoundNode // in byte order of their directories
	walk  bool           // files is a part, and there are no nodes
}

// notFoundNode is a directory that has a 404.html.
type notFoundNode struct {
	entry  int32 // of the page
	parent int32 // the nearest such directory that contains this one; -1: none
}

func newNotFoundTree(files *manifest.Manifest) notFoundTree {
	t := notFoundTree{files: files}
	for i := range files.Len() {
		if strings.HasSuffix(files.PathAt(i), "/"+notFoundPage) {
			t.nodes = append(t.nodes, notFoundNode{entry: int32(i), parent: -1})
		}
	}
	// The order of directories is not that of their pages: "/a/" comes before "/a/0/", "/a/404.html" after "/a/0/404.html".
	slices.SortFunc(t.nodes, func(a, b notFoundNode) int { return strings.Compare(t.dir(a), t.dir(b)) })
	t.nodes = slices.Clip(t.nodes)
	for i := 1; i < len(t.nodes); i++ {
		up := int32(i - 1)
		for up >= 0 && !strings.HasPrefix(t.dir(t.nodes[i]), t.dir(t.nodes[up])) {
			up = t.nodes[up].parent
		}
		t.nodes[i].parent = up
	}
	return t
}

// dir ends with "/".
func (t *notFoundTree) dir(n notFoundNode) string {
	return strings.TrimSuffix(t.files.PathAt(int(n.entry)), notFoundPage)
}

// nearest is the entry of the 404.html closest above path, -1 if there is none.
//
// Every directory that contains path sorts at or before the path's own directory, and after any such directory come
// only strings that it is a prefix of too. So all candidates are the predecessor or above it, and of those the ones
// that contain path are the ones no longer than what the predecessor has in common with it.
func (t *notFoundTree) nearest(path string) int {
	dir := path[:strings.LastIndexByte(path, '/')+1]
	if t.walk {
		return t.walkUp(dir)
	}
	after, exact := slices.BinarySearchFunc(t.nodes, dir, func(n notFoundNode, dir string) int {
		return strings.Compare(t.dir(n), dir)
	})
	if exact {
		return int(t.nodes[after].entry)
	}
	if after == 0 {
		return -1
	}
	at := int32(after - 1)
	common := commonPrefix(t.dir(t.nodes[at]), dir)
	for at >= 0 && len(t.dir(t.nodes[at])) > common {
		at = t.nodes[at].parent
	}
	if at < 0 {
		return -1
	}
	return int(t.nodes[at].entry)
}

// walkUp is nearest by look-ups, of which there are fewer than a file's path may have bytes. What they read is wanted anyway.
func (t *notFoundTree) walkUp(dir string) int {
	page := make([]byte, 0, manifest.MaxPath)
	for dir = upTo(dir, manifest.MaxPath-len(notFoundPage)); dir != ""; dir = upTo(dir, len(dir)-1) {
		page = append(append(page[:0], dir...), notFoundPage...)
		if i, ok := t.files.LookupBytes(page); ok {
			return i
		}
	}
	return -1
}

// upTo is the longest directory of at most n bytes that contains dir, or is it.
func upTo(dir string, n int) string {
	if len(dir) <= n {
		return dir
	}
	return dir[:strings.LastIndexByte(dir[:n], '/')+1]
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func (t *notFoundTree) weight() int64 {
	return int64(len(t.nodes)) * int64(unsafe.Sizeof(notFoundNode{}))
}
