package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/meterd/meterd/internal/identity"
)

// webIssuer is an issuer that is believed, and where it runs if it is a cluster.
type webIssuer struct {
	identity.Issuer
	cluster string // its region, or ofCatalog; "": it is none
}

// ofCatalog is the cluster whose pods are workloads of the catalogue, which says
// where each is.
const ofCatalog = "catalog"

// believe tells the door of the issuers, our own beside them.
func (s *server) believe(issuers []webIssuer) error {
	issuers = append(issuers, localIssuer{s.store.Catalog()}.believed())
	all := make([]identity.Issuer, len(issuers))
	s.sts.Clusters = make(map[string]string)
	for i, issuer := range issuers {
		all[i] = issuer.Issuer
		switch issuer.cluster {
		case "":
		case ofCatalog:
			s.sts.Clusters[issuer.URL] = ""
		default:
			s.sts.Clusters[issuer.URL] = issuer.cluster
		}
	}
	var err error
	s.sts.WebIdentity, err = identity.NewWebIdentity(all)
	return err
}

// parseWebIssuer reads a setting: an issuer's URL, and after it words of the form
// name=value.
func parseWebIssuer(text string) (webIssuer, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return webIssuer{}, errors.New("it is empty: write the issuer's URL")
	}
	i := webIssuer{Issuer: identity.Issuer{URL: words[0]}}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		switch {
		case name == "audience" && value != "":
			i.Audiences = append(i.Audiences, value)
		case name == "keys" && value != "":
			i.KeySetURL = value
		case name == "cluster" && value != "" && value != ofCatalog: // whether it is served is for settle
			i.cluster = value
		case word == "private":
			i.Private = true
		default:
			return webIssuer{}, fmt.Errorf("%q is none of audience=NAME, cluster=REGION, keys=URL, private", word)
		}
	}
	if i.Audiences == nil {
		i.Audiences = []string{identity.STSAudience}
	}
	_, err := identity.NewWebIdentity([]identity.Issuer{i.Issuer})
	return i, err
}

func checkWebIssuer(text string) error {
	_, err := parseWebIssuer(text)
	return err
}

// webIssuers are the issuers of the settings, which were checked.
func (c *config) webIssuers() ([]webIssuer, error) {
	all := make([]webIssuer, len(c.webIdentity))
	for i, text := range c.webIdentity {
		var err error
		if all[i], err = parseWebIssuer(text); err != nil {
			return nil, fmt.Errorf("web_identity: %w", err)
		}
	}
	return all, nil
}
