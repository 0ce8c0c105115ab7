package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

func jsonDecode(body []byte, into any) error { return json.Unmarshal(body, into) }

// mutator makes cases at random from a seed.
type mutator struct{ *rand.Rand }

func newMutator(seed uint64, number int) *mutator {
	return &mutator{rand.New(rand.NewPCG(seed, uint64(number)))}
}

func pick[T any](m *mutator, from []T) T { return from[m.IntN(len(from))] }

func (m *mutator) chance(percent int) bool { return m.IntN(100) < percent }

var (
	anyTypes = []string{
		ociManifest, ociIndex, dockerManifest, dockerList, octets, "application/json", "", "text/html", "text/plain", "application/x-artifact", imageConfig,
		dockerConfig, imageLayer, inToto, simple, emptyType, "application/x-layer", "application/vnd.cncf.helm.config.v1+json",
		"application/vnd.docker.distribution.manifest.v1+json", "application/vnd.docker.distribution.manifest.v1+prettyjws",
		"application/vnd.docker.plugin.v1+json", "application/vnd.oci.artifact.manifest.v1+json", "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
		"Application/Vnd.Oci.Image.Manifest.V1+Json", "application/vnd.docker.attestation.manifest.v1+json",
	}
	configTypes = []string{imageConfig, imageConfig, imageConfig, dockerConfig, octets, untyped, "application/x-artifact", emptyType, "application/vnd.cncf.helm.config.v1+json", "application/json"}
	layerTypes  = []string{
		imageLayer, imageLayer, imageLayer, dockerLayer0, "application/x-layer", untyped, simple, inToto, "application/vnd.oci.image.layer.v1.tar", "text/plain",
		"application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "application/vnd.dev.sigstore.bundle.v0.3+json", "application/spdx+json",
		"application/vnd.docker.image.rootfs.diff.tar", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", octets,
	}
	knownKeys  = []string{"schemaVersion", "mediaType", "config", "layers", "manifests", "digest", "size", "platform", "annotations", "subject", "artifactType", "urls", "data", "architecture", "os"}
	oddValues  = []string{"null", "{}", "[]", "[{}]", "[null]", "0", "1", "2", "-1", "1e3", "2.0", "99999999999999999999", "true", `""`, `"x"`, `{"mediaType":null}`, "[[]]"}
	references = []string{"attestation-manifest", "image", "", "x"}
)

// folded is a key that Go's decoder takes for another: other case, U+017F for s, U+212A for k, or the same letters written as escapes.
func (m *mutator) folded(key string) string {
	name := strings.Trim(key, `"`)
	if name == "" {
		return `""`
	}
	switch m.IntN(6) {
	case 0:
		return `"` + strings.ToUpper(name[:1]) + name[1:] + `"`
	case 1:
		return `"` + strings.ToUpper(name) + `"`
	case 2:
		return `"` + strings.ToLower(name) + `"`
	case 3:
		return `"` + strings.NewReplacer("s", "ſ", "k", "\u212a").Replace(name) + `"`
	case 4:
		return `"` + strings.NewReplacer("s", `\u017f`, "k", `\u212A`).Replace(name) + `"`
	}
	return fmt.Sprintf(`"\u%04x%s"`, name[0], name[1:])
}

// mutate changes one thing of a document.
func (m *mutator) mutate(document *members, spare []node) {
	all := objects(document)
	object := all[0]
	if m.chance(60) {
		object = pick(m, all)
	}
	if len(object.all) == 0 {
		object.add(pick(m, knownKeys), raw(pick(m, oddValues)))
		return
	}
	at := m.IntN(len(object.all))
	one := object.all[at]
	other := func() node {
		if len(spare) > 0 && m.chance(50) {
			return copied(pick(m, spare))
		}
		if m.chance(30) {
			return raw(quoted(pick(m, anyTypes)))
		}
		return raw(pick(m, oddValues))
	}
	switch m.IntN(14) {
	case 0, 1:
		object.all[at].key = m.folded(one.key)
	case 2, 3: // twice, under one name or under two that fold to one, in either order
		key := one.key
		if m.chance(60) {
			key = m.folded(key)
		}
		twice := member{key, other()}
		if m.chance(50) {
			twice, object.all[at] = one, member{one.key, twice.value}
			twice.key = key
		}
		place := m.IntN(len(object.all) + 1)
		object.all = append(object.all[:place:place], append([]member{twice}, object.all[place:]...)...)
	case 4, 5:
		for _, candidate := range all {
			if candidate.get("mediaType") != nil && m.chance(40) {
				candidate.set("mediaType", pick(m, anyTypes))
			}
		}
	case 6:
		object.set("annotations", pairs{"vnd.docker.reference.type", pick(m, references), "vnd.docker.reference.digest", "sha256:" + strings.Repeat("0", 64)})
	case 7:
		object.all = append(object.all[:at:at], object.all[at+1:]...)
	case 8:
		object.all[at].value = raw(pick(m, oddValues))
	case 9:
		object.all[at].key = strings.TrimSuffix(one.key, `"`) + pick(m, []string{"\xff", "\x00", " ", "\u200b", "\\u0000"}) + `"`
	case 10:
		if written, ok := one.value.(raw); ok && strings.HasPrefix(string(written), `"`) {
			object.all[at].value = written[:len(written)-1] + raw(pick(m, []string{"\xff", "\xed\xa0\x80", `\ud800`, " ", ";"})) + `"`
		}
	case 11:
		object.add("artifactType", pick(m, anyTypes))
		object.add("subject", pairs{"mediaType", ociManifest, "digest", "sha256:" + strings.Repeat("1", 64), "size", 7})
	case 12:
		object.add(pick(m, knownKeys), other())
	case 13:
		if m.chance(50) {
			object.add("urls", []any{"https://example.com/blob"})
		} else {
			object.add("data", pick(m, []string{"e30=", "eyJ9", "!"}))
		}
	}
}

const randomName = "random"

// random is the case of a seed and a number.
func random(seed uint64, number int) *Case {
	m := newMutator(seed, number)
	shop := newShop()
	var spare []node
	budget := m.IntN(4)
	shop.change = func(document *members) {
		for _, key := range []string{"manifests", "config", "layers"} {
			if found := document.get(key); found != nil {
				spare = append(spare, copied(found))
			}
		}
		for budget > 0 && m.chance(50) {
			budget--
			m.mutate(document, spare)
		}
	}
	shop.changeConfig = func(config *members) {
		if m.chance(8) {
			m.mutate(config, nil)
		}
		if m.chance(4) {
			config.drop("rootfs")
		}
	}
	image := func() *members {
		r := recipe{
			manifestType: pick(m, []string{ociManifest, ociManifest, ociManifest, dockerManifest}), configType: pick(m, configTypes), layerType: pick(m, layerTypes),
			platform: pick(m, []string{"amd64", "amd64", "arm64"}), layers: []string{fmt.Sprintf("f%d", m.IntN(9))},
			compression: pick(m, []string{"gzip", "gzip", "gzip", "plain", "zstd"}),
		}
		if m.chance(40) {
			r.configType = imageConfig
			r.layerType = imageLayer
			r.compression = "gzip"
			if r.manifestType == dockerManifest {
				r.configType, r.layerType = dockerConfig, dockerLayer0
			}
		}
		if m.chance(20) {
			r.layers = append(r.layers, "more")
			if m.chance(50) {
				r.upperType = pick(m, layerTypes)
			}
		}
		entry := shop.image(r)
		if m.chance(85) {
			on(r.platform, entry)
		}
		return entry
	}
	leaf := func() *members {
		switch m.IntN(12) {
		case 0:
			return shop.attestation()
		case 1:
			return shop.signature()
		case 2:
			return shop.helm()
		case 3:
			return shop.artifact()
		case 4: // a layer where a manifest should be
			body, _ := tree("f", "gzip")
			return shop.blob(imageLayer, body)
		}
		return image()
	}
	var index func(depth int) *members
	index = func(depth int) *members {
		var entries []node
		for range m.IntN(4) {
			entry := leaf()
			if depth > 1 && m.chance(35) {
				entry = index(depth - 1)
				if m.chance(50) {
					on(pick(m, []string{"amd64", "arm64"}), entry)
				}
			}
			if m.chance(12) {
				entry.set("annotations", pairs{"vnd.docker.reference.type", pick(m, references)})
			}
			if m.chance(15) {
				entry.set("mediaType", pick(m, anyTypes))
			}
			if m.chance(4) {
				entry.set("size", 1+m.IntN(3000))
			}
			entries = append(entries, entry)
			if m.chance(10) {
				entries = append(entries, on("arm64", copied(entry).(*members)))
			}
		}
		return shop.index(pick(m, []string{ociIndex, ociIndex, ociIndex, dockerList}), entries...)
	}
	root := index(1 + m.IntN(4))
	if m.chance(25) {
		root = leaf()
	}
	if m.chance(5) { // something is not there
		delete(shop.blobs, pick(m, sorted(shop.blobs)))
	}
	one := shop.asCase(fmt.Sprintf("%s-%d-%d", randomName, seed, number), root)
	if names := sorted(shop.blobs); len(names) > 0 && m.chance(25) { // by the digest of anything else that is there
		chosen := pick(m, names)
		one.Entry = Entry{MediaType: pick(m, manifestTypes), Digest: chosen, Size: int64(len(shop.blobs[chosen]))}
		if kind := ownType(shop.blobs[chosen]); kind != "" && m.chance(70) {
			one.Entry.MediaType = kind
		}
	} else if m.chance(8) {
		one.Entry.MediaType = pick(m, anyTypes)
	}
	return one
}

func ownType(body []byte) string {
	var document struct {
		MediaType string `json:"mediaType"`
	}
	if json.Unmarshal(body, &document) != nil {
		return ""
	}
	return document.MediaType
}
