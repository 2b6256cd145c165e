package server

import (
	"path/filepath"

	"berth/cmd/berth/migration"
	"berth/router/edge"
	"berth/router/functions"
	"berth/router/hostkey"
	"berth/store/control"
)

// edgeOptions agree with controlOptions: what the control plane no longer keeps is not answered either.
func (c *checked) edgeOptions() edge.Options {
	o := c.Edge
	o.TrustedProxies, o.KeepAssets = c.proxies, c.Control.KeepAssets
	return o
}

func (c *checked) functionOptions() functions.Options {
	o := c.Functions
	o.Dir = filepath.Join(c.Data, "functions")
	return o
}

func (c *checked) controlOptions(publicURL string) control.Options {
	o := c.Control
	o.Domain, o.PublicURL, o.DataDir = c.Domain, publicURL, c.Data
	o.Functions = c.Functions.Command != ""
	o.SkewMaxAge = c.Edge.SkewMaxAge // what may be pinned for so long must be remembered for so long
	return o
}

func (c *checked) migrationOptions() migration.Options {
	return migration.Options{
		Domain: hostkey.Host(c.Domain), Datacentre: c.Datacentre, LegacyCache: c.LegacyCache, LegacyParse: c.parse, Shadow: c.Shadow, Prepared: c.onMigration,
	}
}
