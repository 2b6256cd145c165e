package control

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"berth/assets/rules"
	"berth/router/hostkey"
)

// Options are the operator's settings. The zero value of each means its default.
type Options struct {
	Domain    string // base domain of hostnames, default pages.localhost
	PublicURL string // SCHEME[:PORT] for URLs in answers, default http
	DataDir   string // for DIR/admin.token

	MaxFileBytes       int64         // one asset, default 25 MiB
	MaxFiles           int           // files of a deployment, default 20000
	MaxManifestBytes   int64         // the manifest field, default 32 MiB
	MaxUploadBytes     int64         // body of one asset upload, default 64 MiB
	MaxUploadFiles     int           // items of one asset upload, default 5000
	MaxBundleBytes     int64         // _worker.bundle, default 100 MiB
	MaxRuleFileBytes   int64         // _headers, _redirects, _routes.json, default 1 MiB each
	MaxParts           int           // parts of a multipart form, default 64 (bundle modules: 2000)
	MaxJSONBytes       int64         // any other JSON body, default 8 MiB
	MaxConcurrentCalls int           // API requests worked on at once, default 256
	BodyTimeout        time.Duration // without a byte from the client, default 60s
	MinBodyRate        int64         // bytes a second that a body must come at, BodyTimeout apart, default 1 KiB
	UploadTokenTTL     time.Duration // default 15m, at most 30m
	SweepEvery         time.Duration // default 1h; negative: never
	SweepGrace         time.Duration // default 24h

	MaxEnvVars       int           // variables and secrets of one environment, default 512
	MaxEnvVarBytes   int           // value of one of them, default 64 KiB
	MaxSettingsBytes int           // all settings of a project as stored, default 1 MiB
	MaxTokens        int           // tokens of an account, default 1000
	MaxDomains       int           // custom domains of a project, default 100
	DomainTimeout    time.Duration // one look-up of a TXT record, default 5s

	// KeepAssets is how long files of earlier deployments are answered on hosts that moved on, default 7 days; negative:
	// never. No project and no site can have it longer.
	KeepAssets time.Duration
	// MaxKeptFiles bounds them for each project, the newest of all its hosts, default 20000.
	MaxKeptFiles int
	// SkewMaxAge is for how long the edge may want to know what a host served, for pages that keep to their deployment;
	// default 1 day, negative: not at all.
	SkewMaxAge time.Duration

	// CompressWorkers is how many files are encoded at a time, default one for each processor, up to 8; negative: none.
	CompressWorkers int
	// CompressMaxBytes is the largest file that is encoded, default 16 MiB.
	CompressMaxBytes int64

	// Functions says that the server runs the code of deployments: their logs then say so.
	Functions bool

	// Rules are the limits of rule files. Whoever serves the deployments must compile them with the same ones.
	Rules rules.Options
}

const (
	maxUploadTokenTTL = 30 * time.Minute
	// maxDomainLength leaves room for two labels of 63 and their dots below 253, the length limit of a host name.
	maxDomainLength = 125
)

func (o *Options) setDefaults() {
	o.Domain = cmp.Or(o.Domain, "pages.localhost")
	o.PublicURL = cmp.Or(o.PublicURL, "http")
	o.MaxFileBytes = cmp.Or(o.MaxFileBytes, 25<<20)
	o.MaxFiles = cmp.Or(o.MaxFiles, 20000)
	o.MaxManifestBytes = cmp.Or(o.MaxManifestBytes, 32<<20)
	o.MaxUploadBytes = cmp.Or(o.MaxUploadBytes, 64<<20)
	o.MaxUploadFiles = cmp.Or(o.MaxUploadFiles, 5000)
	o.MaxBundleBytes = cmp.Or(o.MaxBundleBytes, 100<<20)
	o.MaxRuleFileBytes = cmp.Or(o.MaxRuleFileBytes, 1<<20)
	o.MaxParts = cmp.Or(o.MaxParts, 64)
	o.MaxJSONBytes = cmp.Or(o.MaxJSONBytes, 8<<20)
	o.MaxConcurrentCalls = cmp.Or(o.MaxConcurrentCalls, 256)
	o.BodyTimeout = cmp.Or(o.BodyTimeout, 60*time.Second)
	o.MinBodyRate = cmp.Or(o.MinBodyRate, 1<<10)
	o.UploadTokenTTL = cmp.Or(o.UploadTokenTTL, 15*time.Minute)
	o.SweepEvery = cmp.Or(o.SweepEvery, time.Hour)
	o.SweepGrace = cmp.Or(o.SweepGrace, 24*time.Hour)
	o.MaxEnvVars = cmp.Or(o.MaxEnvVars, 512)
	o.MaxEnvVarBytes = cmp.Or(o.MaxEnvVarBytes, 64<<10)
	o.MaxSettingsBytes = cmp.Or(o.MaxSettingsBytes, 1<<20)
	o.MaxTokens = cmp.Or(o.MaxTokens, 1000)
	o.MaxDomains = cmp.Or(o.MaxDomains, 100)
	o.DomainTimeout = cmp.Or(o.DomainTimeout, 5*time.Second)
	o.KeepAssets = cmp.Or(o.KeepAssets, 7*24*time.Hour)
	o.CompressWorkers = o.Workers()
	o.CompressMaxBytes = cmp.Or(o.CompressMaxBytes, 16<<20)
	o.MaxKeptFiles = cmp.Or(o.MaxKeptFiles, 20000)
	o.SkewMaxAge = cmp.Or(o.SkewMaxAge, 24*time.Hour)
}

// maxDefaultWorkers bounds the memory that encoding takes unasked: one of a large file takes up to 256 MiB.
const maxDefaultWorkers = 8

// Workers is how many files are encoded at a time; negative: none.
func (o *Options) Workers() int {
	return cmp.Or(o.CompressWorkers, min(runtime.NumCPU(), maxDefaultWorkers))
}

// check reports every fault at once.
func (o *Options) check() error {
	var faults []error
	for name, v := range map[string]int64{
		"MaxFileBytes": o.MaxFileBytes, "MaxFiles": int64(o.MaxFiles), "MaxManifestBytes": o.MaxManifestBytes,
		"MaxUploadBytes": o.MaxUploadBytes, "MaxUploadFiles": int64(o.MaxUploadFiles), "MaxBundleBytes": o.MaxBundleBytes,
		"MaxRuleFileBytes": o.MaxRuleFileBytes, "MaxParts": int64(o.MaxParts), "MaxJSONBytes": o.MaxJSONBytes,
		"MaxConcurrentCalls": int64(o.MaxConcurrentCalls), "BodyTimeout": int64(o.BodyTimeout), "MinBodyRate": o.MinBodyRate,
		"UploadTokenTTL": int64(o.UploadTokenTTL), "SweepGrace": int64(o.SweepGrace), "MaxEnvVars": int64(o.MaxEnvVars),
		"MaxEnvVarBytes": int64(o.MaxEnvVarBytes), "MaxSettingsBytes": int64(o.MaxSettingsBytes),
		"MaxTokens": int64(o.MaxTokens), "MaxDomains": int64(o.MaxDomains),
		"DomainTimeout": int64(o.DomainTimeout), "MaxRedirectsStatic": int64(o.Rules.MaxRedirectsStatic),
		"MaxRedirectsDynamic": int64(o.Rules.MaxRedirectsDynamic), "MaxRedirectLine": int64(o.Rules.MaxRedirectLine),
		"MaxHeaderRules": int64(o.Rules.MaxHeaderRules), "MaxHeaderLine": int64(o.Rules.MaxHeaderLine),
		"MaxHeadersBytes": int64(o.Rules.MaxHeadersBytes), "MaxRoutesRules": int64(o.Rules.MaxRoutesRules),
		"MaxRouteLength": int64(o.Rules.MaxRouteLength), "MaxKeptFiles": int64(o.MaxKeptFiles),
		"CompressMaxBytes": o.CompressMaxBytes,
	} {
		if v < 0 {
			faults = append(faults, fmt.Errorf("control: %s is negative", name))
		}
	}
	if o.UploadTokenTTL > maxUploadTokenTTL {
		faults = append(faults, fmt.Errorf("control: upload tokens may live %v at most, not %v", maxUploadTokenTTL, o.UploadTokenTTL))
	}
	return errors.Join(append(faults, o.checkDomain(), o.checkPublicURL())...)
}

func (o *Options) checkDomain() error {
	host, err := hostkey.Canonical(o.Domain)
	switch {
	case err != nil:
		return fmt.Errorf("control: domain %q: %w", o.Domain, err)
	case host.IsIP():
		return fmt.Errorf("control: domain %q is an IP address; deployments need names below it", o.Domain)
	case string(host) != o.Domain:
		return fmt.Errorf("control: domain %q must be written %q", o.Domain, host)
	case len(o.Domain) > maxDomainLength:
		return fmt.Errorf("control: domain %q has more than %d characters; deployments would have no room for their names", o.Domain, maxDomainLength)
	}
	return nil
}

func (o *Options) checkPublicURL() error {
	scheme, port, hasPort := strings.Cut(o.PublicURL, ":")
	if scheme != "http" && scheme != "https" {
		return fmt.Errorf("control: public URL %q: want http or https, with :PORT if it is not the usual one", o.PublicURL)
	}
	if hasPort {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("control: public URL %q: %q is not a port", o.PublicURL, port)
		}
	}
	return nil
}
