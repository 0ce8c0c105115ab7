package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	introspectionapi "github.com/containerd/containerd/api/services/introspection/v1"
	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/diff"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/introspection"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// containerdRuns is what containerd pulls and unpacks for a platform: its client's pull, as Kubernetes, nerdctl and ctr use it, over stores of
// our own, with and without unpacking on the way, and then the unpacking of the image, as before a container is made. What has nothing to
// unpack cannot be started.
func containerdRuns(s *shelf, platform ocispec.Platform) string {
	for _, options := range [][]client.RemoteOpt{{client.WithPullUnpack}, nil} {
		store := &contentStore{shelf: s, added: map[string][]byte{}, written: map[string]string{}}
		tree := &snapshotter{committed: map[string]bool{}}
		engine, err := client.New("", client.WithServices(
			client.WithContentStore(store), client.WithImageStore(imageStore{}), client.WithDiffService(&applier{store: store}),
			client.WithSnapshotters(map[string]snapshots.Snapshotter{snapshotterName: tree}), client.WithIntrospectionService(introspector{}),
		))
		if err != nil {
			panic(err)
		}
		ctx := leases.WithLease(namespaces.WithNamespace(context.Background(), "case"), "case")
		matcher := platforms.Only(platform)
		options = append(options, client.WithResolver(resolver{s}), client.WithPlatformMatcher(matcher), client.WithPullSnapshotter(snapshotterName))
		image, err := engine.Pull(ctx, "engines.test/case:tag", options...)
		if err != nil {
			continue
		}
		if err := image.Unpack(ctx, snapshotterName); err != nil {
			continue
		}
		s.last = ""
		manifest, err := images.Manifest(ctx, store, image.Target(), matcher)
		if err != nil {
			continue
		}
		for _, layer := range manifest.Layers {
			if images.IsLayerType(layer.MediaType) {
				return s.last
			}
		}
		if len(manifest.Layers) == 0 && images.IsConfigType(manifest.Config.MediaType) {
			return s.last
		}
	}
	return ""
}

const snapshotterName = "native"

type resolver struct{ *shelf }

func (r resolver) Resolve(_ context.Context, name string) (string, ocispec.Descriptor, error) {
	return name, r.descriptor(), nil
}
func (r resolver) Fetcher(context.Context, string) (remotes.Fetcher, error) { return r, nil }
func (r resolver) Pusher(context.Context, string) (remotes.Pusher, error) {
	return nil, errors.New("never")
}
func (r resolver) Fetch(_ context.Context, wanted ocispec.Descriptor) (io.ReadCloser, error) {
	return nil, fmt.Errorf("%s: %w", wanted.Digest, errdefs.ErrNotFound)
}

// contentStore has all that the registry has from the beginning, of the size that is asked for. It notes which manifest was read last.
type contentStore struct {
	content.Store // nil: the rest is not used by a pull
	*shelf
	added   map[string][]byte
	written map[string]string // manifests that containerd wrote, and in place of which
}

func (c *contentStore) ReaderAt(_ context.Context, wanted ocispec.Descriptor) (content.ReaderAt, error) {
	body, ok := c.blobs[wanted.Digest.String()]
	if !ok {
		body, ok = c.added[wanted.Digest.String()]
	}
	if !ok {
		return nil, fmt.Errorf("%s: %w", wanted.Digest, errdefs.ErrNotFound)
	}
	if images.IsManifestType(wanted.MediaType) {
		c.last = wanted.Digest.String()
		if origin, ok := c.written[c.last]; ok {
			c.last = origin
		}
	}
	return reader{bytes.NewReader(body)}, nil
}
func (c *contentStore) Writer(_ context.Context, options ...content.WriterOpt) (content.Writer, error) {
	var wanted content.WriterOpts
	for _, option := range options {
		if err := option(&wanted); err != nil {
			return nil, err
		}
	}
	body, ok := c.blobs[wanted.Desc.Digest.String()]
	if !ok {
		return &writer{store: c, wanted: wanted}, nil
	}
	if wanted.Desc.Size != int64(len(body)) {
		return nil, fmt.Errorf("%s: another size: %w", wanted.Desc.Digest, errdefs.ErrFailedPrecondition)
	}
	return nil, fmt.Errorf("%s: %w", wanted.Desc.Digest, errdefs.ErrAlreadyExists)
}
func (c *contentStore) Info(_ context.Context, wanted digest.Digest) (content.Info, error) {
	body, ok := c.blobs[wanted.String()]
	if !ok {
		body, ok = c.added[wanted.String()]
	}
	if !ok {
		return content.Info{}, errdefs.ErrNotFound
	}
	return content.Info{Digest: wanted, Size: int64(len(body))}, nil
}
func (c *contentStore) Update(_ context.Context, info content.Info, _ ...string) (content.Info, error) {
	return info, nil
}

// writer takes what a descriptor has within itself, and manifests that containerd writes anew (those whose config is of no type).
type writer struct {
	store  *contentStore
	wanted content.WriterOpts
	bytes.Buffer
}

func (w *writer) Close() error          { return nil }
func (w *writer) Digest() digest.Digest { return digest.FromBytes(w.Bytes()) }
func (w *writer) Truncate(int64) error {
	w.Reset()
	return nil
}
func (w *writer) Status() (content.Status, error) {
	return content.Status{Ref: w.wanted.Ref, Offset: int64(w.Len()), Total: w.wanted.Desc.Size}, nil
}
func (w *writer) Commit(_ context.Context, size int64, expected digest.Digest, _ ...content.Opt) error {
	if (size > 0 && size != int64(w.Len())) || (expected != "" && expected != w.Digest()) {
		return fmt.Errorf("%s: not what was promised: %w", expected, errdefs.ErrFailedPrecondition)
	}
	name := w.Digest().String()
	w.store.added[name] = w.Bytes()
	if w.store.last != "" {
		w.store.written[name] = w.store.last
	}
	return nil
}

type reader struct{ *bytes.Reader }

func (reader) Close() error { return nil }

type imageStore struct{ images.Store }

func (imageStore) Create(_ context.Context, image images.Image) (images.Image, error) {
	return image, nil
}

// applier unpacks a layer as containerd's does: by the processors that its media type asks for.
type applier struct {
	diff.Comparer // nil: nothing is compared
	store         *contentStore
}

func (a *applier) Apply(ctx context.Context, layer ocispec.Descriptor, _ []mount.Mount, _ ...diff.ApplyOpt) (ocispec.Descriptor, error) {
	body, err := a.store.ReaderAt(ctx, layer)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	processor := diff.NewProcessorChain(layer.MediaType, content.NewReader(body))
	for {
		if processor, err = diff.GetProcessor(ctx, processor, nil); err != nil {
			return ocispec.Descriptor{}, err
		}
		defer processor.Close()
		if processor.MediaType() == ocispec.MediaTypeImageLayer {
			break
		}
	}
	unpacked, err := untar(processor)
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: unpacked}, err
}

type snapshotter struct {
	snapshots.Snapshotter // nil: the rest is not used by a pull
	lock                  sync.Mutex
	committed             map[string]bool
}

func (s *snapshotter) Stat(_ context.Context, key string) (snapshots.Info, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.committed[key] {
		return snapshots.Info{Name: key}, nil
	}
	return snapshots.Info{}, errdefs.ErrNotFound
}
func (s *snapshotter) Prepare(context.Context, string, string, ...snapshots.Opt) ([]mount.Mount, error) {
	return nil, nil
}
func (s *snapshotter) Commit(_ context.Context, name, _ string, _ ...snapshots.Opt) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.committed[name] = true
	return nil
}
func (s *snapshotter) Remove(context.Context, string) error { return nil }

type introspector struct{ introspection.Service }

func (introspector) Plugins(context.Context, ...string) (*introspectionapi.PluginsResponse, error) {
	return &introspectionapi.PluginsResponse{Plugins: []*introspectionapi.Plugin{{ID: snapshotterName}}}, nil
}
