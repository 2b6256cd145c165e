// Package corpus makes data directories of large servers, in minutes and the same from the same seed: projects, deployments, the
// files that they serve and the routes of all their hosts. `berth serve --data DIR` serves them, and `berth fsck` finds nothing wrong.
package corpus

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"berth/router/hostkey"
	"berth/store"
)

// Config is what a corpus is made of. Everything follows from it but the server's secrets, and so the order of host keys.
type Config struct {
	Deployments int    // each with a host of its own; default 1,000,000
	Projects    int    // default one for 1,400 deployments; each has a production host and a branch alias on top
	Sites       int    // different sites, which the deployments have in turn; default 1
	Files       int    // of a site: index.html and others; default 3
	FileBytes   int    // of each, default 1024
	Domain      string // default pages.localhost
	Seed        uint64
}

// Corpus knows the hosts of a data directory that Build made. Nothing of it is in memory: each deployment follows from its number.
type Corpus struct {
	Config
	Dir string
}

// description is the file beside the data that says how they were made.
const description = "corpus.json"

func (c *Config) prepare() error {
	setDefault(&c.Deployments, 1_000_000)
	setDefault(&c.Projects, max(1, c.Deployments/1400))
	setDefault(&c.Sites, 1)
	setDefault(&c.Files, 3)
	setDefault(&c.FileBytes, 1024)
	if c.Domain == "" {
		c.Domain = "pages.localhost"
	}
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf("corpus: "+format, args...))
		}
	}
	fault(c.Deployments < 1 || c.Deployments > 1<<31, "%d deployments: want 1 to 2^31", c.Deployments)
	fault(c.Projects < 1 || c.Projects > c.Deployments, "%d projects of %d deployments", c.Projects, c.Deployments)
	fault(c.Sites < 1 || c.Sites > c.Deployments, "%d sites of %d deployments", c.Sites, c.Deployments)
	fault(c.Files < 1 || c.Files > 20_000, "%d files a site: want 1 to 20,000", c.Files)
	fault(c.FileBytes < 16 || c.FileBytes > 25<<20, "files of %d bytes: want 16 to 25 MiB", c.FileBytes)
	return errors.Join(faults...)
}

func setDefault(n *int, d int) {
	if *n == 0 {
		*n = d
	}
}

// Open describes a directory that Build made.
func Open(dir string) (*Corpus, error) {
	b, err := os.ReadFile(filepath.Join(dir, description))
	if err != nil {
		return nil, fmt.Errorf("corpus: open: %w", err)
	}
	c := &Corpus{Dir: dir}
	if err := json.Unmarshal(b, &c.Config); err != nil {
		return nil, fmt.Errorf("corpus: open %s: %w", dir, err)
	}
	return c, c.prepare()
}

// first is the number of a project's first deployment, from 0.
func (c *Corpus) first(project int) int { return project * c.Deployments / c.Projects }

// ProjectOf is the project of the i-th deployment.
func (c *Corpus) ProjectOf(i int) int { return ((i+1)*c.Projects - 1) / c.Deployments }

// ProjectName is the name of the p-th project, from 0.
func (c *Corpus) ProjectName(p int) string { return "project-" + strconv.Itoa(p+1) }

// Host is that of the i-th deployment, from 0.
func (c *Corpus) Host(i int) hostkey.Host {
	id := c.UUID(i)
	return c.host(hex.EncodeToString(id[:4]), c.ProjectOf(i))
}

// Unknown is the i-th of hosts that look like those of deployments and are none.
func (c *Corpus) Unknown(i int) hostkey.Host {
	id := c.UUID(i + c.Deployments)
	return c.host(hex.EncodeToString(id[:4]), i%c.Projects)
}

// Production is the production host of the p-th project. It serves the newest of its deployments.
func (c *Corpus) Production(p int) hostkey.Host {
	return hostkey.Host(c.ProjectName(p) + "." + c.Domain)
}

func (c *Corpus) host(label string, project int) hostkey.Host {
	return hostkey.Host(label + "." + c.ProjectName(project) + "." + c.Domain)
}

// UUID is the ID of the i-th deployment. No two begin with the same 8 digits, so a label is its project's only once, as a server sees to.
func (c *Corpus) UUID(i int) (id store.UUID) {
	label := scatter(uint32(i) + uint32(c.Seed)*0x9e3779b9)
	id[0], id[1], id[2], id[3] = byte(label>>24), byte(label>>16), byte(label>>8), byte(label)
	rest := split(c.Seed<<32 ^ uint64(i))
	for k := 4; k < 12; k++ {
		id[k] = byte(rest >> (8 * (k - 4)))
	}
	last := uint32(split(rest))
	id[12], id[13], id[14], id[15] = byte(last), byte(last>>8), byte(last>>16), byte(last>>24)
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// scatter maps each number to another one, no two to the same.
func scatter(x uint32) uint32 {
	x = (x ^ x>>16) * 0x7feb352d
	x = (x ^ x>>15) * 0x846ca68b
	return x ^ x>>16
}

// split is a step of SplitMix64: numbers in a row become independent bits.
func split(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Hosts is how many hosts are served in all.
func (c *Corpus) Hosts() int { return c.Deployments + 2*c.Projects }
