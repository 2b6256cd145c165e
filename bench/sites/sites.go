// Package sites makes the sites that servers are measured with: the same files as a data directory of Berth's and as folders, one
// a host, for others. All of it follows from a seed.
//
// The data directory is written past the API, which would take hours for a million deployments, but by the same packages and to
// the same records: berth serve serves it, and berth fsck finds nothing.
package sites

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
)

// Config says how many there are.
type Config struct {
	// Sites have files of their own, and a project each; the first of them are Hot, which have a file of each size.
	Sites, Hot int
	// Hosts is how many hostnames Berth has a route for, those of the Sites included (three each: production, the branch's
	// alias, the deployment's own). The others are of deployments that share their files.
	Hosts int
	Seed  uint64
}

// Check reports every fault.
func (c Config) Check() error {
	var faults []error
	if c.Hot < 1 || c.Sites < c.Hot {
		faults = append(faults, fmt.Errorf("%d hot sites of %d: want 1 or more, and no more than there are", c.Hot, c.Sites))
	}
	if c.Hosts < hostsOfSite*c.Sites {
		faults = append(faults, fmt.Errorf("%d hosts: %d sites have %d", c.Hosts, c.Sites, hostsOfSite*c.Sites))
	}
	return errors.Join(faults...)
}

// Domain is what the server must be started with, its default.
const Domain = "pages.localhost"

const hostsOfSite = 3

// File is one that sites have.
type File struct {
	Name string // with its slash
	Size int
}

// Small is the file that every site has.
func Small() File { return File{"/1k.png", 1 << 10} }

// Files are those of a hot site, the smallest first. They cannot be compressed, as pictures cannot: what is measured is how they
// are sent, and no server has to choose an encoding.
func Files() []File {
	return []File{Small(), {"/10k.png", 10 << 10}, {"/100k.png", 100 << 10}, {"/1m.png", 1 << 20}}
}

// FilesOf are a site's.
func (c Config) FilesOf(site int) []File {
	if site < c.Hot {
		return Files()
	}
	return Files()[:1]
}

// Host is a site's, from 0. Its project is the first label.
func Host(site int) string { return project(site) + "." + Domain }

func project(site int) string { return fmt.Sprintf("site-%06d", site) }

// Content is a file of a site, different for each.
func (c Config) Content(site int, f File) []byte {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], c.Seed)
	binary.LittleEndian.PutUint64(seed[8:], uint64(site))
	binary.LittleEndian.PutUint64(seed[16:], uint64(f.Size))
	b := make([]byte, f.Size)
	_, _ = rand.NewChaCha8(seed).Read(b) // it never fails
	return b
}
