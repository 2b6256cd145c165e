// Package server runs a Berth server: it checks the settings, opens the data directory, wires the parts and ends them
// in order.
package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"berth/assets/blob"
	"berth/router/edge"
	"berth/router/functions"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
	"berth/store/control"
)

// Settings are what an operator may set. Zero limits mean the defaults of the packages that they are for.
type Settings struct {
	Data       string // directory
	HTTP       string // address of the sites
	API        string // address of the API
	Domain     string
	PublicURL  string // SCHEME[:PORT], "": http and the port of HTTP
	Datacentre string

	APICert, APIKey string // PEM files
	APIInsecure     bool   // plain HTTP beyond loopback
	MaxAPIConns     int
	Pprof           bool // profiles on the API, for administrators

	Resolver       string // HOST[:PORT] of a DNS server, "": the system's
	TrustedProxies []string
	AccessLog      string // FILE, "-" for standard output, "" for none
	ReadyFile      string

	Memory       int64 // bytes that the caches and all else should stay within
	RouteCache   int   // entries; 0, so here and below: a share of Memory
	UnknownCache int   // entries; 0: as many as package hashed thinks fit
	SiteCache    int64 // bytes, so here and below
	ProjectCache int64
	TargetCache  int64
	StoreCache   int64
	KeyFilter    int64
	DrainTimeout time.Duration
	LogFormat    string
	LogLevel     string

	LegacyCache int64   // bytes of tables of the old design, while a server migrates
	LegacyParse string  // each or once
	Shadow      float64 // share of the requests that both routers are asked, 0 to 1

	EncodeCommand []string // command line of a process that encodes files; none: files are not encoded

	Functions functions.Options // limits only, and Command: "" for none

	Edge    edge.Options    // limits only
	Control control.Options // limits only
}

// Defaults of the settings that no other package has a default for.
func Defaults() Settings {
	return Settings{
		Data: "./berth-data", HTTP: "127.0.0.1:8080", API: "127.0.0.1:8788", Domain: "pages.localhost", Datacentre: "local",
		MaxAPIConns: 2_000, Memory: 512 << 20, DrainTimeout: 30 * time.Second,
		LegacyCache: 256 << 20, LegacyParse: legacy.Each.String(),
		Functions: functions.Defaults(),
		LogFormat: "text", LogLevel: "info",
	}
}

// checked is what the settings say in the types that are used.
type checked struct {
	Settings
	level   slog.Level
	proxies []netip.Prefix
	tls     *certificate // nil: plain HTTP
	parse   legacy.Parse
	onTop   int64 // bytes of caches beyond their shares of Memory
	// onMigration is told when the server begins to keep what a migration needs. nil: nobody wants to know
	onMigration func()
	// storedDomain takes the domain that the data directory was made for instead of the one in Settings.
	storedDomain bool
}

// check reports every fault of the settings. It opens nothing but the certificate.
func (s Settings) check() (checked, error) {
	c := checked{Settings: s}
	var faults []error
	add := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	if s.Data == "" {
		add(errors.New("--data: name a directory"))
	}
	c.API = strings.TrimPrefix(c.API, "http://") // BERTH_API is the client verbs' URL too
	add(checkAddress("--http", c.HTTP))
	apiErr := checkAddress("--api", c.API)
	add(apiErr)
	add(c.checkExposure(apiErr == nil))
	add(c.readCertificate())
	add(c.readProxies())
	add(c.checkNames())
	add(c.shareMemory())
	add(c.checkLimits())
	return c, errors.Join(faults...)
}

func checkAddress(flag, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil && port != "" {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || port == "" {
		return fmt.Errorf("%s %q: want HOST:PORT, such as 127.0.0.1:8080, or :8080 for all addresses", flag, addr)
	}
	return nil
}

// checkExposure keeps tokens off the network in plain text, unless the operator says that something else protects them.
func (c *checked) checkExposure(addressOK bool) error {
	hasTLS := c.APICert != "" || c.APIKey != ""
	switch {
	case hasTLS && c.APIInsecure:
		return errors.New("--api-insecure: with --api-cert the API is not insecure: leave one of them out")
	case !addressOK || hasTLS || c.APIInsecure || loopback(c.API):
		return nil
	}
	return fmt.Errorf("--api %s: that is not a loopback address, and the API would send tokens and sites over the network in plain text; "+
		"give --api-cert and --api-key, or --api-insecure if a TLS proxy stands before it", c.API)
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	return host == "localhost"
}

func (c *checked) readCertificate() error {
	switch {
	case c.APICert == "" && c.APIKey == "":
		return nil
	case c.APICert == "" || c.APIKey == "":
		return errors.New("--api-cert and --api-key go together: one of them is missing")
	}
	cert := &certificate{certFile: c.APICert, keyFile: c.APIKey}
	if err := cert.load(); err != nil {
		return fmt.Errorf("--api-cert, --api-key: %w", err)
	}
	c.tls = cert
	return nil
}

func (c *checked) readProxies() error {
	var faults []error
	for _, text := range c.TrustedProxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(text); err == nil {
				p = netip.PrefixFrom(a, a.BitLen())
			}
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("--trusted-proxy %q: want an address or a range such as 10.0.0.0/8", text))
			continue
		}
		c.proxies = append(c.proxies, p)
	}
	return errors.Join(faults...)
}

func (c *checked) checkNames() error {
	var faults []error
	if host, err := hostkey.Canonical(c.Domain); err != nil {
		faults = append(faults, fmt.Errorf("--domain %q: %w", c.Domain, err))
	} else if string(host) != c.Domain {
		faults = append(faults, fmt.Errorf("--domain %q: write it as %q", c.Domain, host))
	}
	if c.Datacentre == "" || strings.ContainsFunc(c.Datacentre, func(r rune) bool { return r <= ' ' || r > '~' }) {
		faults = append(faults, fmt.Errorf("--datacentre %q: want a short name without spaces", c.Datacentre))
	}
	if c.Resolver != "" {
		if _, err := resolverAddress(c.Resolver); err != nil {
			faults = append(faults, err)
		}
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		faults = append(faults, fmt.Errorf("--log-format %q: want text or json", c.LogFormat))
	}
	var err error
	if c.parse, err = legacy.ParseMode(c.LegacyParse); err != nil {
		faults = append(faults, fmt.Errorf("--legacy-parse %q: want each or once", c.LegacyParse))
	}
	if err := c.level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		faults = append(faults, fmt.Errorf("--log-level %q: want debug, info, warn or error", c.LogLevel))
	}
	return errors.Join(faults...)
}

// checkLimits asks the packages what they think of their options, with stand-ins for what they are to work on: their
// New checks everything and touches nothing.
func (c *checked) checkLimits() error {
	var faults []error
	for _, l := range []struct {
		flag string
		ok   bool
		want string
	}{
		{"--route-cache", c.RouteCache >= 1, "1 or more entries"},
		{"--unknown-cache", c.UnknownCache >= 1, "1 or more entries"},
		{"--site-cache", c.SiteCache >= 1<<20, "1MiB or more"},
		{"--project-cache", c.ProjectCache >= 1<<20, "1MiB or more"},
		{"--target-cache", c.TargetCache >= 1<<20, "1MiB or more"},
		{"--store-cache", c.StoreCache >= 1<<20, "1MiB or more"},
		{"--key-filter", c.KeyFilter >= 1<<20, "1MiB or more"},
		{"--legacy-cache", c.LegacyCache >= 1<<20, "1MiB or more"},
		{"--shadow", c.Shadow >= 0 && c.Shadow <= 1, "a share from 0% to 100%"},
		{"--drain-timeout", c.DrainTimeout > 0, "more than nothing"},
		{"--max-api-conns", c.MaxAPIConns >= 1, "1 or more"},
		{"--sweep-grace", c.Control.SweepGrace == 0 || c.Control.SweepGrace >= control.MinSweepGrace, control.MinSweepGrace.String() + " or more"},
	} {
		if !l.ok {
			faults = append(faults, fmt.Errorf("%s: want %s", l.flag, l.want))
		}
	}
	edgeOptions := c.edgeOptions()
	edgeOptions.AccessLog = nil
	_, err := edge.New(edge.Deps{Resolver: standIn{}, Sites: standIn{}, Blobs: new(blob.Dir), CookieSecret: [32]byte{1}}, edgeOptions)
	faults = append(faults, err)
	if c.Functions.Command != "" {
		if err := c.functionOptions().Check(); err != nil {
			faults = append(faults, fmt.Errorf("--functions: %w", err))
		}
	}
	controlOptions := c.controlOptions("http")
	if host, err := hostkey.Canonical(c.Domain); err != nil || string(host) != c.Domain {
		controlOptions.Domain = "" // told already
	}
	if c.PublicURL != "" {
		controlOptions.PublicURL = c.PublicURL
	}
	_, err = control.New(control.Deps{
		Store: new(store.Store), Blobs: new(blob.Dir), Hasher: hostkey.NewHasher(hostkey.Secret{}),
		SealingKey: [32]byte{1}, UploadKey: [32]byte{1},
	}, controlOptions)
	return errors.Join(append(faults, err)...)
}

// newLog writes to w what the level lets through.
func (c *checked) newLog(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.level}
	var h slog.Handler = slog.NewTextHandler(w, options)
	if c.LogFormat == "json" {
		h = slog.NewJSONHandler(w, options)
	}
	return slog.New(h).With(slog.String("datacentre", c.Datacentre))
}

func (c *checked) tlsConfig() *tls.Config {
	if c.tls == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.tls.get, NextProtos: []string{"http/1.1"}}
}
