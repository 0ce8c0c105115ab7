package main

import (
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ggcrRuns is what crane, ko and kaniko take for a platform, when its file system can be extracted and its config names its layers.
func ggcrRuns(s *shelf, platform ocispec.Platform) string {
	repository, _, done := served.open(s, func() {})
	defer done()
	reference, err := name.NewDigest("engines.test/"+repository+"@"+s.entry.Digest, name.Insecure)
	if err != nil {
		return ""
	}
	wanted := v1.Platform{OS: platform.OS, Architecture: platform.Architecture, Variant: platform.Variant}
	image, err := remote.Image(reference, remote.WithTransport(served), remote.WithPlatform(wanted), remote.WithRetryBackoff(remote.Backoff{Steps: 1}))
	if err != nil {
		return ""
	}
	digest, err := image.Digest()
	if err != nil {
		return ""
	}
	config, err := image.ConfigFile()
	if err != nil || len(config.RootFS.DiffIDs) == 0 {
		return ""
	}
	tree := mutate.Extract(image)
	defer tree.Close()
	if _, err := io.Copy(io.Discard, tree); err != nil {
		return ""
	}
	return digest.String()
}
