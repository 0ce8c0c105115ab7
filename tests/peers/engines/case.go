package main

import (
	"encoding/json"
	"sort"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Case is one input of the differential test: an entry, everything that the registry or layout has, and which manifests each engine would run.
type Case struct {
	Name  string              `json:"name"`
	Entry Entry               `json:"entry"`
	Blobs map[string][]byte   `json:"blobs"` // by digest; base64 in JSON
	Runs  map[string][]string `json:"runs"`  // by engine: digests of manifests
}

// Entry is the descriptor of what is named: a tag's, a digest's, or the one in a layout's index.
type Entry struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

const (
	ociManifest    = ocispec.MediaTypeImageManifest
	ociIndex       = ocispec.MediaTypeImageIndex
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

var manifestTypes = []string{ociManifest, ociIndex, dockerManifest, dockerList}

// Engines, in the order in which they are asked.
var engines = map[string]func(*shelf, ocispec.Platform) string{
	"ggcr":       ggcrRuns,
	"containerd": containerdRuns,
	"podman":     podmanRuns,
	"docker":     dockerRuns,
	"docker20":   docker20Runs,
}

// judge asks each engine what it would run of a case, for each platform that could be wanted, and under each media type that a server
// could give: digests bind bytes, not their Content-Type.
func judge(c *Case) {
	runs := map[string]map[string]bool{"ggcr": {}, "containerd": {}, "podman": {}, "docker": {}}
	views := views(c)
	for _, platform := range wanted(c) {
		for _, view := range views {
			for engine, run := range engines {
				if found := run(view.fresh(), platform); found != "" {
					runs[strings.TrimSuffix(engine, "20")][found] = true
				}
			}
		}
	}
	c.Runs = map[string][]string{}
	for engine, found := range runs {
		list := make([]string, 0, len(found))
		for one := range found {
			list = append(list, one)
		}
		sort.Strings(list)
		c.Runs[engine] = list
	}
}

// object is a JSON object's members, under their names as Go decodes them: the last of several wins, whatever its case.
func object(bytes []byte) map[string]json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(bytes, &members) != nil {
		return nil
	}
	return members
}

func has(members map[string]json.RawMessage, key string) bool {
	for name := range members {
		if strings.EqualFold(name, key) {
			return true
		}
	}
	return false
}

// wanted is linux on both architectures and what else the case names, in an index or in a config.
func wanted(c *Case) []ocispec.Platform {
	found := []ocispec.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}
	add := func(p *ocispec.Platform) {
		if p == nil || p.OS == "" || p.Architecture == "" || len(found) >= 6 {
			return
		}
		one := ocispec.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant}
		for _, known := range found {
			if known.OS == one.OS && known.Architecture == one.Architecture && known.Variant == one.Variant {
				return
			}
		}
		found = append(found, one)
	}
	for _, digest := range sorted(c.Blobs) {
		var index ocispec.Index
		if json.Unmarshal(c.Blobs[digest], &index) == nil {
			for _, entry := range index.Manifests {
				add(entry.Platform)
			}
		}
	}
	return found
}

func sorted(blobs map[string][]byte) []string {
	names := make([]string, 0, len(blobs))
	for name := range blobs {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// shelf is a case as a server has it: bytes by digest, and under which media type each is served. It notes which manifest was read last.
type shelf struct {
	entry  Entry
	blobs  map[string][]byte
	served map[string]string
	last   string
}

func (s *shelf) fresh() *shelf { return &shelf{entry: s.entry, blobs: s.blobs, served: s.served} }

func (s *shelf) descriptor() ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: s.served[s.entry.Digest], Digest: digest.Digest(s.entry.Digest), Size: s.entry.Size}
}

// views are the shelves of a case: the entry is served as the case says, or as any type of a manifest; what is listed as what it calls itself,
// as its descriptor does, or as any type.
func views(c *Case) []*shelf {
	var listed = map[string]string{}
	var documents []string
	for _, digest := range sorted(c.Blobs) {
		members := object(c.Blobs[digest])
		if has(members, "manifests") {
			var index ocispec.Index
			if json.Unmarshal(c.Blobs[digest], &index) == nil {
				for _, entry := range index.Manifests {
					listed[entry.Digest.String()] = entry.MediaType
				}
			}
		}
		if digest != c.Entry.Digest && (has(members, "manifests") || has(members, "layers") || has(members, "config")) {
			documents = append(documents, digest)
		}
	}
	own := func(digest string) string {
		if kind := ownType(c.Blobs[digest]); kind != "" {
			return kind
		}
		if has(object(c.Blobs[digest]), "manifests") {
			return ociIndex
		}
		return ociManifest
	}
	entry := func(string) string { return c.Entry.MediaType }
	type rule struct{ entry, listed func(string) string }
	rules := []rule{{entry, own}, {entry, func(digest string) string { return listed[digest] }}}
	for _, one := range manifestTypes {
		any := func(string) string { return one }
		rules = append(rules, rule{entry, any}, rule{any, own})
	}
	var found []*shelf
	seen := map[string]bool{}
	for _, rule := range rules {
		served := map[string]string{c.Entry.Digest: rule.entry(c.Entry.Digest)}
		key := served[c.Entry.Digest] + "\n"
		for _, digest := range documents {
			served[digest] = rule.listed(digest)
			key += served[digest] + "\n"
		}
		if !seen[key] {
			seen[key] = true
			found = append(found, &shelf{entry: c.Entry, blobs: c.Blobs, served: served})
		}
	}
	return found
}
