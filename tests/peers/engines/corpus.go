package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// How many cases at random are looked through for kinds that no case of the corpus has yet, how long one may be, and how many are taken.
const (
	corpusDraws  = 600
	corpusLength = 3000
	corpusRandom = 35
)

// corpus writes the cases that ./test reads: those below by name, and of random ones each that the engines disagree about in a new way.
func corpus(folder string, seed uint64) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return err
	}
	for _, one := range old {
		if err := os.Remove(one); err != nil {
			return err
		}
	}
	drawn := make(chan *Case)
	go func() {
		defer close(drawn)
		for _, one := range namedCases() {
			drawn <- one
		}
		for number := range corpusDraws {
			drawn <- random(seed, number)
		}
	}()
	var draws []*Case
	err = each(drawn, func(one *Case) error {
		if strings.HasPrefix(one.Name, randomName) {
			draws = append(draws, one)
			return nil
		}
		return save(folder, one)
	})
	if err != nil {
		return err
	}
	// They come in the order in which they were done.
	sort.Slice(draws, func(left, right int) bool { return draws[left].Name < draws[right].Name })
	kinds, taken := map[string]bool{}, 0
	for _, one := range draws {
		body, err := json.Marshal(one)
		if err != nil {
			return err
		}
		kind := kindOf(one)
		if taken >= corpusRandom || len(body) > corpusLength || kinds[kind] || !disagree(one) {
			continue
		}
		kinds[kind] = true
		taken++
		if err := save(folder, one); err != nil {
			return err
		}
	}
	return nil
}

func save(folder string, one *Case) error {
	body, err := json.MarshalIndent(one, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, one.Name+".json"), append(body, '\n'), 0o644)
}

// kindOf tells cases apart by which engines run how many, of what the entry is and how many documents there are.
func kindOf(c *Case) string {
	return fmt.Sprint(len(c.Runs["ggcr"]), len(c.Runs["containerd"]), len(c.Runs["podman"]), len(c.Runs["docker"]), c.Entry.MediaType, len(c.Blobs)/2)
}

func disagree(c *Case) bool {
	all := ""
	for _, runs := range c.Runs {
		if all == "" {
			all = strings.Join(runs, " ")
		} else if all != strings.Join(runs, " ") {
			return true
		}
	}
	return false
}

// namedCases are the known ways past a reader that is not each engine's own.
func namedCases() []*Case {
	var cases []*Case
	add := func(name string, make func(s *shop) *members) {
		s := newShop()
		cases = append(cases, s.asCase(name, make(s)))
	}
	plain := func(s *shop, architecture string) *members {
		return on(architecture, s.image(recipe{platform: architecture, layers: []string{"f"}}))
	}
	good := func(s *shop) *members { return on("amd64", s.image(recipe{layers: []string{"signed"}})) }
	evil := func(s *shop) *members {
		return on("arm64", s.image(recipe{platform: "arm64", layers: []string{"evil"}}))
	}

	add("image", func(s *shop) *members { return s.image(recipe{layers: []string{"f"}}) })
	add("image-docker", func(s *shop) *members {
		return s.image(recipe{manifestType: dockerManifest, configType: dockerConfig, layerType: dockerLayer0, layers: []string{"f"}})
	})
	add("image-zstd", func(s *shop) *members {
		return s.image(recipe{layerType: "application/vnd.oci.image.layer.v1.tar+zstd", compression: "zstd", layers: []string{"f"}})
	})
	add("index", func(s *shop) *members { return s.index(ociIndex, plain(s, "amd64"), plain(s, "arm64")) })
	add("list-docker", func(s *shop) *members {
		r := recipe{manifestType: dockerManifest, configType: dockerConfig, layerType: dockerLayer0, layers: []string{"f"}}
		return s.index(dockerList, on("amd64", s.image(r)))
	})
	add("index-without-platforms", func(s *shop) *members { return s.index(ociIndex, s.image(recipe{layers: []string{"f"}})) })
	add("index-empty", func(s *shop) *members { return s.index(ociIndex) })

	// Entries that say they are something else.
	for name, kind := range map[string]string{"attestation": "attestation-manifest", "image": "image", "empty": ""} {
		add("entry-annotated-"+name, func(s *shop) *members {
			hidden := evil(s)
			hidden.set("annotations", pairs{"vnd.docker.reference.type", kind})
			return s.index(ociIndex, good(s), hidden)
		})
	}
	for number, kind := range []string{octets, "", "application/json", imageConfig, imageLayer, inToto, dockerManifest, ociIndex, dockerList, "application/x-artifact", "Application/Vnd.Oci.Image.Manifest.V1+Json"} {
		add(fmt.Sprintf("entry-typed-%d", number), func(s *shop) *members {
			hidden := evil(s)
			hidden.set("mediaType", kind)
			return s.index(ociIndex, good(s), hidden)
		})
	}
	add("entry-with-artifact-type", func(s *shop) *members {
		hidden := evil(s)
		hidden.set("artifactType", "application/x-artifact")
		return s.index(ociIndex, good(s), hidden)
	})
	add("entry-of-unknown-platform", func(s *shop) *members {
		hidden := evil(s)
		hidden.set("platform", pairs{"architecture", "unknown", "os", "unknown"})
		return s.index(ociIndex, good(s), hidden)
	})
	add("entry-twice-attestation-first", func(s *shop) *members {
		hidden := evil(s)
		first := copied(hidden).(*members)
		first.set("annotations", pairs{"vnd.docker.reference.type", "attestation-manifest"})
		first.set("mediaType", octets)
		return s.index(ociIndex, first, good(s), hidden)
	})

	// Indexes in indexes.
	for depth := 1; depth <= 4; depth++ {
		add(fmt.Sprintf("nested-%d", depth), func(s *shop) *members {
			inner := s.index(ociIndex, evil(s))
			for level := 1; level < depth; level++ {
				inner = s.index(ociIndex, inner)
			}
			return s.index(ociIndex, good(s), inner)
		})
	}
	add("nested-with-platform", func(s *shop) *members { return s.index(ociIndex, good(s), on("arm64", s.index(ociIndex, evil(s)))) })
	add("nested-list-in-index", func(s *shop) *members { return s.index(ociIndex, good(s), s.index(dockerList, evil(s))) })
	add("nested-called-manifest", func(s *shop) *members {
		inner := on("arm64", s.index(ociIndex, evil(s)))
		inner.set("mediaType", ociManifest)
		return s.index(ociIndex, good(s), inner)
	})
	add("nested-in-itself-by-name", func(s *shop) *members {
		hidden := evil(s)
		return s.index(ociIndex, hidden, s.index(ociIndex, hidden, s.index(ociIndex, hidden)))
	})

	// Keys that Go's decoder takes for others.
	index := func(change func(*members)) func(*shop) *members {
		return func(s *shop) *members {
			entries := []any{good(s)}
			body := value(pairs{"schemaVersion", 2, "mediaType", ociIndex, "manifests", entries}).(*members)
			body.add("hidden", []any{evil(s)})
			change(body)
			return s.document(ociIndex, body)
		}
	}
	for name, key := range map[string]string{"title": "Manifests", "upper": "MANIFESTS", "long-s": "manifestſ", "same": "manifests"} {
		add("index-key-"+name, index(func(body *members) { body.rename("hidden", key) }))
	}
	add("index-key-escaped", index(func(body *members) {
		for number, one := range body.all {
			if one.key == `"hidden"` {
				body.all[number].key = `"manifest\u017f"`
			}
		}
	}))
	add("index-key-before", index(func(body *members) {
		body.rename("manifests", "Manifests")
		body.rename("hidden", "manifests")
	}))
	add("index-key-alone", func(s *shop) *members {
		return s.document(ociIndex, value(pairs{"schemaVersion", 2, "mediaType", ociIndex, "Manifests", []any{evil(s)}}).(*members))
	})
	entry := func(change func(entry, hidden *members)) func(*shop) *members {
		return func(s *shop) *members {
			listed, hidden := good(s), evil(s)
			change(listed, hidden)
			return s.index(ociIndex, listed)
		}
	}
	for name, key := range map[string]string{"title": "Digest", "upper": "DIGEST", "same": "digest"} {
		add("entry-digest-"+name, entry(func(listed, hidden *members) {
			listed.add(key, hidden.get("digest"))
			listed.add("Size", hidden.get("size"))
		}))
	}
	add("entry-size-long-s", entry(func(listed, hidden *members) {
		listed.add("Digest", hidden.get("digest"))
		listed.add("ſize", hidden.get("size"))
	}))
	add("entry-media-type-title", entry(func(listed, _ *members) {
		listed.set("mediaType", inToto)
		listed.add("MediaType", ociManifest)
	}))
	add("entry-platform-title", entry(func(listed, _ *members) {
		listed.set("platform", pairs{"architecture", "unknown", "os", "unknown"})
		listed.add("Platform", pairs{"architecture", "amd64", "os", "linux"})
	}))
	add("entry-platform-key", entry(func(listed, _ *members) {
		listed.set("platform", pairs{"architecture", "unknown", "Architecture", "amd64", "os", "unknown", "oſ", "linux"})
	}))

	// Manifests that say they are something else.
	image := func(r recipe, change func(*members)) func(*shop) *members {
		return func(s *shop) *members {
			if r.layers == nil {
				r.layers = []string{"f"}
			}
			s.change = change
			return s.image(r)
		}
	}
	nothing := func(*members) {}
	add("config-doubled", image(recipe{configType: "application/x-artifact"}, func(body *members) {
		real := copied(body.get("config")).(*members)
		real.set("mediaType", imageConfig)
		body.add("Config", real)
	}))
	add("config-media-type-doubled", image(recipe{configType: "application/x-artifact"}, func(body *members) {
		body.get("config").(*members).add("MediaType", imageConfig)
	}))
	add("config-doubled-merged", image(recipe{}, func(body *members) {
		body.add("config", pairs{"mediaType", "application/x-artifact"})
	}))
	add("config-null-after", image(recipe{}, func(body *members) { body.add("config", nil) }))
	add("layers-doubled", func(s *shop) *members {
		body, diff := tree("evil", "gzip")
		base, _ := tree("base", "gzip")
		config := s.blob(imageConfig, text(value(pairs{"architecture", "amd64", "os", "linux", "rootfs", pairs{"type", "layers", "diff_ids", []any{diff}}})))
		manifest := manifestOf(ociManifest, config, []any{s.blob(imageLayer, base)})
		manifest.add("Layers", []any{s.blob(imageLayer, body)})
		return s.document(ociManifest, manifest)
	})
	add("layer-digest-doubled", func(s *shop) *members {
		body, diff := tree("evil", "gzip")
		base, _ := tree("base", "gzip")
		config := s.blob(imageConfig, text(value(pairs{"architecture", "amd64", "os", "linux", "rootfs", pairs{"type", "layers", "diff_ids", []any{diff}}})))
		layer, real := s.blob(imageLayer, base), s.blob(imageLayer, body)
		layer.add("Digest", real.get("digest"))
		layer.add("Size", real.get("size"))
		return s.document(ociManifest, manifestOf(ociManifest, config, []any{layer}))
	})
	for number, kind := range []string{"application/x-layer", untyped, octets, simple, inToto, "text/plain", "application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/vnd.wasm.content.layer.v1+wasm"} {
		add(fmt.Sprintf("layer-typed-%d", number), image(recipe{layerType: kind}, nothing))
		if number < 4 {
			add(fmt.Sprintf("layer-typed-docker-%d", number), image(recipe{manifestType: dockerManifest, configType: dockerConfig, layerType: kind}, nothing))
		}
	}
	for number, kind := range []string{"application/x-artifact", untyped, octets, emptyType, "application/json", "text/html", "application/vnd.cncf.helm.config.v1+json", "application/vnd.docker.plugin.v1+json", dockerConfig} {
		add(fmt.Sprintf("config-typed-%d", number), image(recipe{configType: kind}, nothing))
		if number < 4 {
			add(fmt.Sprintf("config-typed-listed-%d", number), func(s *shop) *members {
				return s.index(ociIndex, on("amd64", s.image(recipe{configType: kind, layers: []string{"evil"}})))
			})
			add(fmt.Sprintf("config-typed-docker-%d", number), image(recipe{manifestType: dockerManifest, configType: kind, layerType: dockerLayer0}, nothing))
		}
	}
	add("config-without-rootfs", func(s *shop) *members {
		s.changeConfig = func(config *members) { config.drop("rootfs") }
		return s.image(recipe{layers: []string{"f"}})
	})
	add("config-without-rootfs-docker", func(s *shop) *members {
		s.changeConfig = func(config *members) { config.drop("rootfs") }
		return s.image(recipe{manifestType: dockerManifest, configType: "application/x-artifact", layerType: dockerLayer0, layers: []string{"f"}})
	})
	add("config-without-rootfs-listed-as-docker", func(s *shop) *members {
		s.changeConfig = func(config *members) { config.drop("rootfs") }
		hidden := on("arm64", s.image(recipe{platform: "arm64", configType: "application/x-artifact", layerType: dockerLayer0, layers: []string{"f"}}))
		hidden.set("mediaType", dockerManifest)
		return s.index(dockerList, good(s), hidden)
	})
	add("config-that-is-no-json", func(s *shop) *members {
		body, _ := tree("f", "gzip")
		config := s.blob(imageConfig, []byte("x"))
		return s.document(ociManifest, manifestOf(ociManifest, config, []any{s.blob(imageLayer, body)}))
	})
	add("layers-of-two-types", image(recipe{layers: []string{"f", "g"}, layerType: imageLayer, upperType: "application/x-layer"}, nothing))
	add("layers-attached-and-not", image(recipe{layers: []string{"f", "g"}, layerType: inToto, upperType: simple}, nothing))
	add("both-typed", image(recipe{configType: "application/x-artifact", layerType: "application/x-layer"}, nothing))
	add("helm-that-is-an-image", image(recipe{configType: "application/vnd.cncf.helm.config.v1+json", layerType: "application/vnd.cncf.helm.chart.content.v1.tar+gzip"}, nothing))
	add("signature-that-is-an-image", image(recipe{layerType: simple}, func(body *members) {
		body.add("artifactType", "application/vnd.dev.cosign.artifact.sig.v1+json")
		body.add("subject", pairs{"mediaType", ociManifest, "digest", "sha256:" + strings.Repeat("1", 64), "size", 7})
	}))
	add("attestation-that-is-an-image-listed", func(s *shop) *members {
		hidden := on("arm64", s.image(recipe{platform: "arm64", layerType: inToto, layers: []string{"evil"}}))
		hidden.set("annotations", pairs{"vnd.docker.reference.type", "attestation-manifest"})
		return s.index(ociIndex, good(s), hidden)
	})
	add("signature-that-is-a-textual-archive", func(s *shop) *members {
		body, diff := textualTree()
		config := s.blob(imageConfig, text(value(pairs{"architecture", "amd64", "os", "linux", "rootfs", pairs{"type", "layers", "diff_ids", []any{diff}}})))
		return s.document(ociManifest, manifestOf(ociManifest, config, []any{s.blob(simple, body)}))
	})
	add("layer-of-text-among-images", func(s *shop) *members {
		body, diff := tree("f", "gzip")
		config := s.blob(imageConfig, text(value(pairs{"architecture", "amd64", "os", "linux", "rootfs", pairs{"type", "layers", "diff_ids", []any{diff}}})))
		return s.document(ociManifest, manifestOf(ociManifest, config, []any{s.blob(imageLayer, body), s.blob(inToto, []byte(statement))}))
	})
	add("rootfs-key-title", func(s *shop) *members {
		body, diff := tree("f", "gzip")
		config := s.blob("application/x-artifact", text(value(pairs{"architecture", "amd64", "os", "linux", "RootFS", pairs{"type", "layers", "Diff_IDs", []any{diff}}})))
		return s.document(ociManifest, manifestOf(ociManifest, config, []any{s.blob("application/x-layer", body)}))
	})

	// Documents of two kinds, and of none.
	add("manifest-without-media-type", image(recipe{}, func(body *members) { body.drop("mediaType") }))
	add("index-without-media-type", index(func(body *members) { body.drop("mediaType"); body.drop("hidden") }))
	add("manifest-called-index", image(recipe{}, func(body *members) { body.set("mediaType", ociIndex) }))
	add("index-called-manifest", index(func(body *members) { body.set("mediaType", ociManifest) }))
	add("manifest-and-index", image(recipe{}, func(body *members) { body.add("manifests", []any{}) }))
	add("manifest-and-index-by-key", image(recipe{}, func(body *members) { body.add("manifestſ", []any{}) }))
	add("index-with-layers", index(func(body *members) { body.add("layers", []any{}) }))
	add("media-type-doubled", image(recipe{}, func(body *members) { body.set("mediaType", "application/x"); body.add("MediaType", ociManifest) }))
	add("schema-version-odd", image(recipe{}, func(body *members) { body.set("schemaVersion", raw("2e0")) }))
	add("schema-version-1", image(recipe{}, func(body *members) { body.set("schemaVersion", 1) }))
	add("schema-version-missing", image(recipe{}, func(body *members) { body.drop("schemaVersion") }))
	add("text-not-utf8", image(recipe{}, func(body *members) { body.add("annotations", pairs{"x", raw("\"\xff\"")}) }))
	add("text-lone-surrogate", image(recipe{}, func(body *members) { body.add("annotations", pairs{"x", raw(`"\ud800"`)}) }))
	add("annotations-null", image(recipe{}, func(body *members) { body.add("annotations", nil) }))
	add("annotations-wrong", image(recipe{}, func(body *members) { body.add("annotations", pairs{"x", 1}) }))
	add("unknown-wrong", image(recipe{}, func(body *members) { body.add("x", []any{raw("1e999"), nil, pairs{"x", 1, "X", 2}}) }))
	add("layers-null", func(s *shop) *members {
		config := s.blob(imageConfig, []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`))
		return s.document(ociManifest, value(pairs{"schemaVersion", 2, "mediaType", ociManifest, "config", config, "layers", nil}).(*members))
	})
	add("layers-none", func(s *shop) *members {
		config := s.blob(imageConfig, []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`))
		return s.document(ociManifest, manifestOf(ociManifest, config, []any{}))
	})
	add("manifest-urls-and-data", image(recipe{}, func(body *members) {
		layer := body.get("layers").(*list).items[0].(*members)
		layer.add("urls", []any{"https://example.com/layer"})
		layer.add("data", "e30=")
	}))
	add("manifest-followed-by-blanks", func(s *shop) *members {
		entry := s.image(recipe{layers: []string{"f"}})
		var known Entry
		if err := json.Unmarshal(text(entry), &known); err != nil {
			panic(err)
		}
		return s.blob(ociManifest, append(s.blobs[known.Digest], " \n\t"...))
	})
	add("child-missing", func(s *shop) *members {
		hidden := evil(s)
		var known Entry
		if err := json.Unmarshal(text(hidden), &known); err != nil {
			panic(err)
		}
		delete(s.blobs, known.Digest)
		return s.index(ociIndex, good(s), hidden)
	})
	add("schema-1", func(s *shop) *members {
		body, _ := tree("f", "gzip")
		layer := s.blob(dockerLayer0, body)
		history := `{"architecture":"amd64","os":"linux","id":"` + strings.Repeat("1", 64) + `"}`
		document := value(pairs{"schemaVersion", 1, "name", "x", "tag", "x", "architecture", "amd64", "fsLayers", []any{pairs{"blobSum", layer.get("digest")}}, "history", []any{pairs{"v1Compatibility", history}}})
		return s.document("application/vnd.docker.distribution.manifest.v1+json", document.(*members))
	})
	add("schema-1-listed", func(s *shop) *members {
		body, _ := tree("f", "gzip")
		layer := s.blob(dockerLayer0, body)
		history := `{"architecture":"arm64","os":"linux","id":"` + strings.Repeat("1", 64) + `"}`
		document := value(pairs{"schemaVersion", 1, "name", "x", "tag", "x", "architecture", "arm64", "fsLayers", []any{pairs{"blobSum", layer.get("digest")}}, "history", []any{pairs{"v1Compatibility", history}}})
		return s.index(dockerList, good(s), on("arm64", s.document("application/vnd.docker.distribution.manifest.v1+json", document.(*members))))
	})

	// What nobody runs.
	add("nobody-runs-a-signature", func(s *shop) *members { return s.signature() })
	add("nobody-runs-an-attestation", func(s *shop) *members { return s.attestation() })
	add("nobody-runs-a-chart", func(s *shop) *members { return s.helm() })
	add("nobody-runs-an-artifact", func(s *shop) *members { return s.artifact() })
	add("index-with-attestation", func(s *shop) *members { return s.index(ociIndex, good(s), s.attestation()) })
	return cases
}
