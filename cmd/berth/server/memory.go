package server

import (
	"fmt"
	"os"
	"runtime/debug"

	"berth/router/hashed"
)

// Nearly all memory of a server is its caches, so what it takes is one setting. Of what the process leaves each cache has a share, per cent,
// unless its own flag says otherwise. The shares are for many small sites: at 512 MiB, 200,000 of them are found, with their projects and routes, without
// a look at the disk.
const (
	siteShare      = 50
	projectShare   = 7
	targetShare    = 3
	routeShare     = 7
	storeShare     = 7
	answerShare    = 7
	bodyShare      = 4
	keyFilterShare = 11

	// processBytes are those that the garbage collector knows nothing of: the program's own pages, mostly.
	processBytes = 64 << 20
	minMemory    = 128 << 20
)

// shareMemory gives every cache without a size its share.
func (c *checked) shareMemory() error {
	if c.Memory < minMemory {
		return fmt.Errorf("--memory: want %dMiB or more", minMemory>>20)
	}
	for _, s := range []struct {
		bytes   *int64
		percent int64
	}{
		{&c.SiteCache, siteShare}, {&c.ProjectCache, projectShare}, {&c.TargetCache, targetShare}, {&c.StoreCache, storeShare},
		{&c.Edge.AnswerCache, answerShare}, {&c.Edge.BodyCache, bodyShare},
	} {
		c.setShare(s.bytes, s.percent)
	}
	if c.KeyFilter == 0 {
		c.KeyFilter = c.share(keyFilterShare)
	}
	if c.UnknownCache == 0 {
		c.UnknownCache = hashed.DefaultUnknownCache
	}
	routes := int64(c.RouteCache) * hashed.EntryBytes
	c.setShare(&routes, routeShare)
	c.RouteCache = int(routes / hashed.EntryBytes)
	return nil
}

func (c *checked) share(percent int64) int64 { return (c.Memory - processBytes) / 100 * percent }

// setShare fills in a size, or counts what it is more than its share: what somebody asked for by name comes on top.
func (c *checked) setShare(bytes *int64, percent int64) {
	share := c.share(percent)
	if *bytes == 0 {
		*bytes = share
	}
	c.onTop += min(max(*bytes-share, 0), 1<<50) // no sum of them overflows
}

// memoryLimit is for the garbage collector. It would let as much garbage gather as there is in the caches; near the limit it works more
// often instead. A server that migrates has the tables' cache on top. The filter of keys is not the collector's.
func (c *checked) memoryLimit(migrating bool) int64 {
	onTop := c.onTop
	if migrating {
		onTop += min(c.LegacyCache, 1<<50)
	}
	filter := min(c.KeyFilter, c.share(keyFilterShare))
	return c.Memory - processBytes - filter + onTop + onTop/8 // of which an eighth is for garbage
}

// limitMemory leaves alone what GOMEMLIMIT says.
func (c *checked) limitMemory(migrating bool) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(c.memoryLimit(migrating))
	}
}
