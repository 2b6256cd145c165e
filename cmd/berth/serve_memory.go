package main

import (
	"github.com/spf13/pflag"

	"berth/cmd/berth/server"
)

// addMemoryFlags is a flag for what a server may take in all, and one for each cache that has a share of it.
func addMemoryFlags(f *pflag.FlagSet, s *server.Settings) {
	f.Var(byteSize[int64]{&s.Memory}, "memory", "memory that the server should stay within; what a cache is given by a flag beyond its share comes on top")
	f.IntVar(&s.RouteCache, "route-cache", 0, "routes kept in memory, 160 bytes each; default a share of --memory, 200,000 of 512MiB")
	f.IntVar(&s.UnknownCache, "unknown-cache", 0, "unknown hosts kept in memory, apart from the routes (default 16384)")
	f.Var(byteSize[int64]{&s.SiteCache}, "site-cache", "memory for compiled sites; default a share of --memory, as of all that follow")
	f.Var(byteSize[int64]{&s.ProjectCache}, "project-cache", "memory for settings of projects")
	f.Var(byteSize[int64]{&s.TargetCache}, "target-cache", "memory for what moving hosts served before")
	f.Var(byteSize[int64]{&s.Edge.AnswerCache}, "answer-cache", "memory for answers that are kept whole")
	f.Var(byteSize[int64]{&s.Edge.BodyCache}, "body-cache", "memory for the contents of files")
	f.Var(byteSize[int64]{&s.StoreCache}, "store-cache", "memory for blocks of the database")
	f.Var(byteSize[int64]{&s.KeyFilter}, "key-filter", "memory by which unknown hosts are told, at most; it takes 15 bits a host")
}
