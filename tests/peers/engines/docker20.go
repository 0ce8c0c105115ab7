package main

import (
	"bytes"
	"encoding/json"

	"github.com/containerd/platforms"
	"github.com/docker/distribution"
	"github.com/docker/distribution/manifest/manifestlist"
	"github.com/docker/distribution/manifest/ocischema"
	"github.com/docker/distribution/manifest/schema2"
	"github.com/docker/docker/image"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// docker20Runs is what dockerd up to 20.10 takes, which asks no layer for its type and a config for its own only when schema 2 is named
// itself. Those versions are no Go modules beside the new one: the decoders are docker's, the short loop that chooses is written anew here.
func docker20Runs(s *shelf, platform ocispec.Platform) string {
	manifest := docker20Manifest(s, s.entry.Digest)
	if named, ok := manifest.(*schema2.DeserializedManifest); ok && !docker20Configs[named.Config.MediaType] {
		return ""
	}
	if list, ok := manifest.(*manifestlist.DeserializedManifestList); ok {
		matcher := platforms.Only(platforms.Normalize(platform))
		var best *manifestlist.ManifestDescriptor
		for index, entry := range list.Manifests {
			if matcher.Match(docker20Platform(entry)) && (best == nil || matcher.Less(docker20Platform(entry), docker20Platform(*best))) {
				best = &list.Manifests[index]
			}
		}
		if best == nil {
			return ""
		}
		manifest = docker20Manifest(s, best.Digest.String())
	}
	switch chosen := manifest.(type) {
	case *schema2.DeserializedManifest:
		return docker20Unpacks(s, chosen.Config, chosen.Layers)
	case *ocischema.DeserializedManifest:
		return docker20Unpacks(s, chosen.Config, chosen.Layers)
	}
	return ""
}

var docker20Configs = map[string]bool{
	schema2.MediaTypeImageConfig: true, ocispec.MediaTypeImageConfig: true,
	"application/octet-stream": true, "application/json": true, "text/html": true, "": true,
}

func docker20Manifest(s *shelf, digest string) distribution.Manifest {
	body, ok := s.blobs[digest]
	if !ok {
		return nil
	}
	s.last = digest
	manifest, _, err := distribution.UnmarshalManifest(s.served[digest], body)
	if err != nil {
		return nil
	}
	return manifest
}

func docker20Platform(entry manifestlist.ManifestDescriptor) ocispec.Platform {
	p := entry.Platform
	return ocispec.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSFeatures: p.OSFeatures, OSVersion: p.OSVersion}
}

func docker20Unpacks(s *shelf, descriptor distribution.Descriptor, layers []distribution.Descriptor) string {
	var config image.Image
	if json.Unmarshal(s.blobs[descriptor.Digest.String()], &config) != nil || config.RootFS == nil || len(config.RootFS.DiffIDs) != len(layers) {
		return ""
	}
	if config.OS != "" && image.CheckOS(config.OS) != nil {
		return ""
	}
	for index, layer := range layers {
		body, ok := s.blobs[layer.Digest.String()]
		if !ok {
			return ""
		}
		if diff, err := unpack(bytes.NewReader(body)); err != nil || diff.String() != string(config.RootFS.DiffIDs[index]) {
			return ""
		}
	}
	return s.last
}
