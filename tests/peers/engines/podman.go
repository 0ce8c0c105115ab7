package main

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
)

// podmanRuns is what podman, buildah and CRI-O take for a platform: the copy from a registry into the storage, whose place a destination of
// our own takes that does what the storage does with layers, and asks for the config as podman does.
func podmanRuns(s *shelf, platform ocispec.Platform) string {
	ctx := context.Background()
	policy, err := signature.NewPolicyContext(&signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}})
	if err != nil {
		panic(err)
	}
	defer policy.Destroy()
	system := &types.SystemContext{
		OSChoice: platform.OS, ArchitectureChoice: platform.Architecture, VariantChoice: platform.Variant, BlobInfoCacheDir: scratch,
	}
	source, storage := &memory{shelf: s}, &storage{memory: memory{shelf: s}}
	written, err := copy.Image(ctx, policy, storage, source, &copy.Options{SourceCtx: system, DestinationCtx: system})
	if err != nil || !storage.committed {
		return ""
	}
	// The storage refuses what has no config of an image; podman reads it when it makes the container.
	chosen := digest.Digest(s.last)
	raw, err := image.FromUnparsedImage(ctx, system, image.UnparsedInstance(source, &chosen))
	if err != nil {
		return ""
	}
	if _, err := raw.OCIConfig(ctx); err != nil {
		return ""
	}
	if _, err := manifest.FromBlob(written, manifest.GuessMIMEType(written)); err != nil {
		return ""
	}
	return s.last
}

// memory is a shelf as a transport of its own.
type memory struct{ *shelf }

func (m *memory) Transport() types.ImageTransport                                 { return transport{} }
func (m *memory) StringWithinTransport() string                                   { return "case" }
func (m *memory) DockerReference() reference.Named                                { return nil }
func (m *memory) PolicyConfigurationIdentity() string                             { return "" }
func (m *memory) PolicyConfigurationNamespaces() []string                         { return nil }
func (m *memory) DeleteImage(context.Context, *types.SystemContext) error         { return errors.New("never") }
func (m *memory) Reference() types.ImageReference                                 { return m }
func (m *memory) Close() error                                                    { return nil }
func (m *memory) HasThreadSafeGetBlob() bool                                      { return false }
func (m *memory) GetSignatures(context.Context, *digest.Digest) ([][]byte, error) { return nil, nil }
func (m *memory) LayerInfosForCopy(context.Context, *digest.Digest) ([]types.BlobInfo, error) {
	return nil, nil
}
func (m *memory) NewImage(ctx context.Context, system *types.SystemContext) (types.ImageCloser, error) {
	return image.FromSource(ctx, system, m)
}
func (m *memory) NewImageSource(context.Context, *types.SystemContext) (types.ImageSource, error) {
	return m, nil
}
func (m *memory) NewImageDestination(context.Context, *types.SystemContext) (types.ImageDestination, error) {
	return nil, errors.New("it is only read")
}

func (m *memory) GetManifest(_ context.Context, instance *digest.Digest) ([]byte, string, error) {
	wanted := m.entry.Digest
	if instance != nil {
		wanted = instance.String()
	}
	body, ok := m.blobs[wanted]
	if !ok {
		return nil, "", errors.New("it is not here")
	}
	m.last = wanted
	kind := m.served[wanted]
	// As c/image does with answers of registries and layouts that do not tell.
	if kind == "" || kind == "text/plain" || kind == "application/octet-stream" {
		kind = manifest.GuessMIMEType(body)
	}
	return body, kind, nil
}

func (m *memory) GetBlob(_ context.Context, info types.BlobInfo, _ types.BlobInfoCache) (io.ReadCloser, int64, error) {
	body, ok := m.blobs[info.Digest.String()]
	if !ok {
		return nil, 0, errors.New("it is not here")
	}
	return io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
}

type transport struct{}

func (transport) Name() string { return "case" }
func (transport) ParseReference(string) (types.ImageReference, error) {
	return nil, errors.New("never")
}
func (transport) ValidatePolicyConfigurationScope(string) error { return nil }

// storage takes what containers-storage takes: layers are unpacked by their bytes.
type storage struct {
	memory
	committed bool
}

func (s *storage) Reference() types.ImageReference { return s }
func (s *storage) NewImageDestination(context.Context, *types.SystemContext) (types.ImageDestination, error) {
	return s, nil
}
func (s *storage) SupportedManifestMIMETypes() []string {
	return []string{ociManifest, dockerManifest, manifest.DockerV2Schema1SignedMediaType, manifest.DockerV2Schema1MediaType}
}
func (s *storage) SupportsSignatures(context.Context) error                  { return nil }
func (s *storage) DesiredLayerCompression() types.LayerCompression           { return types.PreserveOriginal }
func (s *storage) AcceptsForeignLayerURLs() bool                             { return false }
func (s *storage) MustMatchRuntimeOS() bool                                  { return true }
func (s *storage) IgnoresEmbeddedDockerReference() bool                      { return true }
func (s *storage) HasThreadSafePutBlob() bool                                { return false }
func (s *storage) PutManifest(context.Context, []byte, *digest.Digest) error { return nil }
func (s *storage) PutSignatures(context.Context, [][]byte, *digest.Digest) error {
	return nil
}
func (s *storage) TryReusingBlob(context.Context, types.BlobInfo, types.BlobInfoCache, bool) (bool, types.BlobInfo, error) {
	return false, types.BlobInfo{}, nil
}
func (s *storage) Commit(context.Context, types.UnparsedImage) error {
	s.committed = true
	return nil
}

func (s *storage) PutBlob(_ context.Context, stream io.Reader, info types.BlobInfo, _ types.BlobInfoCache, isConfig bool) (types.BlobInfo, error) {
	body, err := io.ReadAll(stream)
	if err == nil && !isConfig {
		_, err = unpack(bytes.NewReader(body))
	}
	return types.BlobInfo{Digest: digest.FromBytes(body), Size: int64(len(body))}, err
}
