package main

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/bucket"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/postgres"
)

// config is what `meterd serve` goes by: a field for each row of settings, and what
// a file that one names says.
type config struct {
	listen                string
	data                  string
	store                 databaseURL
	storeStandbys         int
	storeConnections      int
	keyFile               string
	adminToken            store.Secret
	tlsCert, tlsKey       string
	behindProxy           bool
	hosts                 []string
	regions               string
	served                *metering.Regions // what regions, the file, says
	webIdentity           []string
	metricsListen         string
	logLevel              slog.Level
	throttle              string
	refusalsKept          time.Duration
	tokensKept            time.Duration
	trailFiles            string
	trailFilesEvery       time.Duration
	trailFilesKept        time.Duration
	eventsKept            time.Duration
	drainDelay            time.Duration
	drainTimeout          time.Duration
	connectionsPerAddress int
}

// setting is one thing that can be configured. Its flag, its variable, its key in
// the file, its row in docs/configuration.md and in the schema follow from it.
type setting struct {
	name     string // its key in the file
	standard string // the default, as it would be written
	doc      string
	field    func(*config) any // where the value goes; the pointer's type says how it is read
	oneOf    []string          // the words it can be; nil: any
	least    time.Duration     // of a duration
	check    func(text string) error
	required bool   // by serve
	instead  string // required, unless this setting is given
	mayEmpty bool   // an empty value means something
}

// settings is every setting there is.
var settings = []setting{
	{
		name: "listen", standard: "127.0.0.1:8484", check: address,
		doc:   "address to serve the API on; port 0 picks a free one",
		field: func(c *config) any { return &c.listen },
	},
	{
		name: "data", required: true, instead: "store",
		doc:   "directory that the data is kept in, by one process; made if there is none",
		field: func(c *config) any { return &c.data },
	},
	{
		name: "store", check: checkDatabaseURL,
		doc:   "PostgreSQL database that the data is kept in, in place of a directory, by any number of nodes: " + databaseForm + "; one with a password is better kept in a file that METERD_STORE_FILE names",
		field: func(c *config) any { return &c.store },
	},
	{
		name: "store_standbys", standard: "0",
		doc:   "how many synchronous standbys the database must be set to wait for; one that waits for fewer is refused",
		field: func(c *config) any { return &c.storeStandbys },
	},
	{
		name: "store_connections", standard: strconv.Itoa(postgres.DefaultConnections), check: checkConnections,
		doc:   fmt.Sprintf("most connections to the database at once; %d at the least", postgres.LeastConnections),
		field: func(c *config) any { return &c.storeConnections },
	},
	{
		name: "key_file", required: true,
		doc:   "file with the keys that stored secrets are sealed with",
		field: func(c *config) any { return &c.keyFile },
	},
	{
		name: "admin_token", required: true, check: strongToken,
		doc:   "bearer token of the operator's API, 32 characters or more",
		field: func(c *config) any { return &c.adminToken },
	},
	{
		name:  "tls_cert",
		doc:   "file with the certificate and its chain, PEM; read again when it changes and on SIGHUP",
		field: func(c *config) any { return &c.tlsCert },
	},
	{
		name:  "tls_key",
		doc:   "file with the certificate's private key, PEM",
		field: func(c *config) any { return &c.tlsKey },
	},
	{
		name: "behind_proxy", standard: "false",
		doc:   "serve plain HTTP, because TLS ends at a proxy in front",
		field: func(c *config) any { return &c.behindProxy },
	},
	{
		name: "hosts", check: hostHeader,
		doc:   "Host headers to serve, beside loopback's, the services' (AWS's own, or those of the regions) and the address listened on",
		field: func(c *config) any { return &c.hosts },
	},
	{
		name:  "regions",
		doc:   "file with what is served where and under which host names, in place of AWS's tables or beside them ('meterd regions print' writes one); all nodes of one database need the same",
		field: func(c *config) any { return &c.regions },
	},
	{
		name: "web_identity", check: checkWebIssuer,
		doc:   "issuers of web identity tokens that are believed (AssumeRoleWithWebIdentity): each a URL, and after it, as needed, the words audience=NAME (sts.amazonaws.com if there is none), cluster=REGION of a Kubernetes cluster, keys=URL of its keys if its discovery document does not say, private if its address is of a private network",
		field: func(c *config) any { return &c.webIdentity },
	},
	{
		name: "metrics_listen", standard: "127.0.0.1:8485", check: address, mayEmpty: true,
		doc:   "address to serve /metrics on, and /livez and /readyz beside it; empty: nowhere",
		field: func(c *config) any { return &c.metricsListen },
	},
	{
		name: "log_level", standard: "info", oneOf: []string{"debug", "info", "warn", "error"},
		doc:   "least level to log: debug (every call), info (refusals), warn or error",
		field: func(c *config) any { return &c.logLevel },
	},
	{
		name: "throttle", standard: "aws", oneOf: []string{"aws", "off"},
		doc:   "limits on calls: aws (its published quotas, and what 'meterd quota' sets in their place) or off",
		field: func(c *config) any { return &c.throttle },
	},
	{
		name: "refusals_kept", standard: "2160h", least: time.Hour,
		doc:   "how long refused calls, and records that were answered but not counted, are remembered",
		field: func(c *config) any { return &c.refusalsKept },
	},
	{
		name: "tokens_kept", standard: "48h", least: 24 * time.Hour,
		doc:   "how long ClientTokens are remembered; 24h at least",
		field: func(c *config) any { return &c.tokensKept },
	},
	{
		name: "trail_files", check: checkTrailFiles, mayEmpty: true,
		doc:   "where the trail's events are written to as files, in CloudTrail's folders: a directory, or " + bucket.Form + "; empty: nowhere",
		field: func(c *config) any { return &c.trailFiles },
	},
	{
		name: "trail_files_every", standard: "5m", check: checkTrailInterval,
		doc:   "how often they are written; 1s at the least",
		field: func(c *config) any { return &c.trailFilesEvery },
	},
	{
		name: "trail_files_kept", standard: "0", check: checkTrailKept,
		doc:   "how long files in a directory are kept, 24h at the least; 0: for ever (in a bucket that is for its own rules)",
		field: func(c *config) any { return &c.trailFilesKept },
	},
	{
		name: "events_kept", standard: "2160h", check: dayOrForEver,
		doc:   "how long the events of calls are kept; 24h at least, or 0: for ever",
		field: func(c *config) any { return &c.eventsKept },
	},
	{
		name: "drain_delay", standard: "3s",
		doc:   "at the end, how long to go on serving while /readyz says no",
		field: func(c *config) any { return &c.drainDelay },
	},
	{
		name: "drain_timeout", standard: "30s",
		doc:   "after that, how long calls that have begun may take to finish",
		field: func(c *config) any { return &c.drainTimeout },
	},
	{
		name: "connections_per_address", standard: "256",
		doc:   "most connections at once from one address (of IPv6, one /64); 0: no limit, which is the default behind a proxy",
		field: func(c *config) any { return &c.connectionsPerAddress },
	},
}

func (s *setting) flag() string { return strings.ReplaceAll(s.name, "_", "-") }

func (s *setting) variable() string { return variablePrefix + strings.ToUpper(s.name) }

// secret says that the value is never shown, and that it has no flag: command
// lines can be read by everyone on the machine.
func (s *setting) secret() bool {
	_, secret := s.field(new(config)).(*store.Secret)
	return secret
}

// file says that the value can be in a file that a variable names, or that systemd
// hands over: it is a secret, or may hold one.
func (s *setting) file() bool {
	_, url := s.field(new(config)).(*databaseURL)
	return url || s.secret()
}

// list says that there can be several values.
func (s *setting) list() bool {
	_, list := s.field(new(config)).(*[]string)
	return list
}

// settingNamed finds a setting.
func settingNamed(name string) *setting {
	for i := range settings {
		if settings[i].name == name {
			return &settings[i]
		}
	}
	return nil
}
