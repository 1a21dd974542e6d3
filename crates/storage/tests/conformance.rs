//! What every store must do, tried on a folder and on a real S3 server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use transcode_storage::testing::S3Server;
use transcode_storage::{
    ByteStream, FileStore, GuardPolicy, ObjectMeta, Result, S3Store, Source, Store, StoreError, StoreSource,
};

const MIB: usize = 1 << 20;

/// Each check runs on each store, as a test of its own.
macro_rules! conformance {
    ($($check:ident),* $(,)?) => {
        mod files { $(
            #[tokio::test]
            async fn $check() {
                let folder = tempfile::tempdir().unwrap();
                super::$check(&super::file_store(&folder)).await;
            }
        )* }
        mod s3 { $(
            #[tokio::test]
            async fn $check() {
                if let Some(server) = super::server().await {
                    super::$check(&server.store("movies/42").unwrap()).await;
                }
            }
        )* }
    };
}

conformance!(
    keeps_what_is_put,
    reads_ranges,
    misses_what_is_absent,
    lists_in_order,
    lists_more_than_a_page,
    deletes_twice,
    copies,
    overwrites_whole,
    puts_large_streams,
    leaves_nothing_of_aborted_streams,
    wants_the_announced_size,
    takes_strange_names,
    refuses_what_is_no_key,
    limits_small_reads,
    notices_changes,
    checks_and_leaves_nothing,
    uploads_files,
);

fn file_store(folder: &TempDir) -> FileStore {
    FileStore::new(folder.path().join("made/on/demand")).unwrap()
}

async fn server() -> Option<S3Server> {
    S3Server::start_or_skip().await.unwrap_or_else(|error| panic!("{error}"))
}

async fn text(store: &dyn Store, key: &str) -> String {
    String::from_utf8(store.get_bytes(key, 1 << 30).await.unwrap().to_vec()).unwrap()
}

async fn all(stream: ByteStream) -> Vec<u8> {
    stream
        .try_fold(Vec::new(), |mut all, piece| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await
        .unwrap()
}

async fn listed(store: &dyn Store, prefix: &str) -> Vec<String> {
    store.list(prefix).map_ok(|meta: ObjectMeta| meta.key).try_collect().await.unwrap()
}

fn pieces(pieces: Vec<Result<Bytes>>) -> ByteStream {
    stream::iter(pieces).boxed()
}

/// Bytes in which no two places look alike.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

async fn keeps_what_is_put(store: &dyn Store) {
    store.put("a/b.json", "{}".into()).await.unwrap();
    store.put("empty", Bytes::new()).await.unwrap();
    assert_eq!(text(store, "a/b.json").await, "{}");
    assert_eq!(text(store, "empty").await, "");
    let meta = store.head("a/b.json").await.unwrap().unwrap();
    assert_eq!((meta.key.as_str(), meta.size), ("a/b.json", 2));
    assert!(!meta.tag.is_empty() && !meta.tag.contains('"') && meta.modified.is_some(), "{meta:?}");
    let found: Vec<_> = store.list("a/").try_collect().await.unwrap();
    assert_eq!(found[0].tag, meta.tag, "a listing tells the same as a look");
    store.put("a/b.json", "[1]".into()).await.unwrap();
    assert_ne!(store.head("a/b.json").await.unwrap().unwrap().tag, meta.tag);
    assert!(store.uri("a/b.json").ends_with("/a/b.json"));
}

async fn reads_ranges(store: &dyn Store) {
    let content = noise(3 * MIB + 17);
    store.put("object", content.clone().into()).await.unwrap();
    let length = content.len();
    for (start, end) in [(0, 1), (5, 5), (0, length), (1, MIB), (length - 3, length), (length - 3, length + 100)] {
        let read = all(store.get("object", Some(start as u64..end as u64)).await.unwrap()).await;
        assert!(read == content[start..end.min(length)], "{start}..{end}");
    }
    let past = length as u64;
    assert_eq!(all(store.get("object", Some(past..past + 10)).await.unwrap()).await, b"");
    assert!(all(store.get("object", None).await.unwrap()).await == content);
}

async fn misses_what_is_absent(store: &dyn Store) {
    store.put("folder/object", "x".into()).await.unwrap();
    for key in ["nothing", "folder", "folder/other", "folder/object/below"] {
        assert_eq!(store.head(key).await.unwrap(), None, "{key}");
        let missing = store.get(key, None).await.err();
        assert!(matches!(missing, Some(StoreError::NotFound { .. })), "{key}: {missing:?}");
    }
    let missing = store.copy("nothing", "new").await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
}

async fn lists_in_order(store: &dyn Store) {
    for key in ["b", "a/2", "a/10", "a.b", "a/1/x", "ab", "a-b", "c/d/e"] {
        store.put(key, key.to_owned().into()).await.unwrap();
    }
    assert_eq!(listed(store, "").await, ["a-b", "a.b", "a/1/x", "a/10", "a/2", "ab", "b", "c/d/e"]);
    assert_eq!(listed(store, "a/").await, ["a/1/x", "a/10", "a/2"]);
    assert_eq!(listed(store, "a/1").await, ["a/1/x", "a/10"]);
    assert_eq!(listed(store, "a").await, ["a-b", "a.b", "a/1/x", "a/10", "a/2", "ab"]);
    assert_eq!(listed(store, "c/d/e").await, ["c/d/e"]);
    assert!(listed(store, "d/").await.is_empty() && listed(store, "c/d/e/").await.is_empty());
}

async fn lists_more_than_a_page(store: &dyn Store) {
    let keys: Vec<_> = (0..1234).map(|n| format!("segments/{n:05}.m4s")).collect();
    let puts = stream::iter(&keys).map(|key| store.put(key, Bytes::from_static(b"x")));
    puts.buffer_unordered(16).try_collect::<()>().await.unwrap();
    assert_eq!(listed(store, "segments/").await, keys);
    assert_eq!(listed(store, "segments/0123").await, keys[1230..]);
    let all: Vec<_> = keys.iter().map(String::as_str).collect();
    store.delete(&all).await.unwrap();
    assert!(listed(store, "").await.is_empty());
}

async fn deletes_twice(store: &dyn Store) {
    store.put("a/b/c", "x".into()).await.unwrap();
    store.put("a/d", "x".into()).await.unwrap();
    store.delete(&["a/b/c", "never/there"]).await.unwrap();
    store.delete(&["a/b/c"]).await.unwrap();
    store.delete(&[]).await.unwrap();
    assert_eq!(listed(store, "").await, ["a/d"]);
}

async fn copies(store: &dyn Store) {
    let content = noise(MIB);
    store.put("from here ü+%.mp4", content.clone().into()).await.unwrap();
    store.put("to/there.mp4", "old".into()).await.unwrap();
    for _ in 0..2 {
        store.copy("from here ü+%.mp4", "to/there.mp4").await.unwrap();
        assert!(store.get_bytes("to/there.mp4", 1 << 30).await.unwrap() == content);
    }
    store.copy("to/there.mp4", "to/there.mp4").await.unwrap();
    store.put("from here ü+%.mp4", "new".into()).await.unwrap();
    assert_eq!(store.head("to/there.mp4").await.unwrap().unwrap().size, content.len() as u64);
    assert_eq!(listed(store, "").await, ["from here ü+%.mp4", "to/there.mp4"]);
}

async fn overwrites_whole(store: &dyn Store) {
    let versions: Vec<_> = (b'a'..=b'd').map(|letter| Bytes::from(vec![letter; 2 * MIB])).collect();
    store.put("object", versions[0].clone()).await.unwrap();
    let write = async {
        for version in versions.iter().cycle().take(24) {
            store.put("object", version.clone()).await.unwrap();
        }
    };
    let read = async {
        let mut seen = BTreeMap::new();
        for _ in 0..40 {
            // A reader that is overtaken is told so; it never gets a mix.
            match store.get_bytes("object", 1 << 30).await {
                Ok(content) => {
                    assert!(versions.contains(&content), "neither old nor new");
                    *seen.entry(content[0]).or_insert(0) += 1;
                }
                Err(StoreError::Changed { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert!(!seen.is_empty());
    };
    tokio::join!(write, read);
}

async fn puts_large_streams(store: &dyn Store) {
    let content = noise(20 * MIB + 1);
    for (key, size) in [("unknown.mp4", None), ("known.mp4", Some(content.len() as u64))] {
        let parts = content.chunks(777_777).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
        assert_eq!(store.put_stream(key, pieces(parts), size).await.unwrap(), content.len() as u64);
        assert!(store.get_bytes(key, 1 << 30).await.unwrap() == content, "{key}");
    }
    for length in [0, 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 16 * MIB] {
        let whole = Bytes::copy_from_slice(&content[..length]);
        assert_eq!(store.put_stream("one", pieces(vec![Ok(whole)]), None).await.unwrap(), length as u64);
        assert!(store.get_bytes("one", 1 << 30).await.unwrap() == content[..length], "{length}");
    }
}

async fn leaves_nothing_of_aborted_streams(store: &dyn Store) {
    let failure = StoreError::Unavailable { uri: "somewhere".into(), why: "on purpose".into() };
    for length in [10, 20 * MIB] {
        let parts = vec![Ok(Bytes::from(vec![1; length])), Err(failure.clone())];
        let failed = store.put_stream("a/object", pieces(parts), None).await.unwrap_err();
        assert!(failed.to_string().contains("on purpose"), "{failed}");
        let stuck = pieces(vec![Ok(Bytes::from(vec![1; length]))]).chain(stream::pending()).boxed();
        let dropped = tokio::time::timeout(Duration::from_millis(700), store.put_stream("a/object", stuck, None));
        assert!(dropped.await.is_err());
    }
    assert_eq!(store.head("a/object").await.unwrap(), None);
    assert!(listed(store, "").await.is_empty());
}

async fn wants_the_announced_size(store: &dyn Store) {
    for (length, size) in [(10, 11), (11, 10), (9 * MIB, 9 * MIB + 1)] {
        let parts = vec![Ok(Bytes::from(vec![1; length]))];
        let failed = store.put_stream("object", pieces(parts), Some(size as u64)).await.unwrap_err();
        assert!(matches!(failed, StoreError::Changed { .. }), "{failed}");
    }
    assert_eq!(store.head("object").await.unwrap(), None);
}

async fn takes_strange_names(store: &dyn Store) {
    let mut keys = ["a b/c d.mp4", "ünï/çødé 日本語.m4s", "plus+and&=?#%20;,'.json", "x/..hidden", "~tilde$(x)!*@:"];
    for key in keys {
        store.put(key, key.into()).await.unwrap();
    }
    for key in keys {
        assert_eq!(text(store, key).await, key);
        assert_eq!(store.head(key).await.unwrap().unwrap().key, key);
    }
    keys.sort_unstable();
    assert_eq!(listed(store, "").await, keys);
    store.delete(&keys).await.unwrap();
    assert!(listed(store, "").await.is_empty());
}

async fn refuses_what_is_no_key(store: &dyn Store) {
    for key in ["", "/etc/passwd", "../other", "a/../../other", "a//b", "a/", ".tmp-x", "line\nbreak"] {
        let refused =
            |result: Result<()>| assert!(matches!(result, Err(StoreError::Refused { .. })), "{key}: {result:?}");
        refused(store.head(key).await.map(drop));
        refused(store.get(key, None).await.map(drop));
        refused(store.put(key, "x".into()).await);
        refused(store.put_stream(key, pieces(vec![]), None).await.map(drop));
        refused(store.copy(key, "b").await);
        refused(store.delete(&[key]).await);
    }
    assert!(store.list("../").try_collect::<Vec<_>>().await.is_err());
}

async fn limits_small_reads(store: &dyn Store) {
    store.put("object", "12345".into()).await.unwrap();
    assert!(store.get_bytes("object", 5).await.is_ok());
    let large = store.get_bytes("object", 4).await.unwrap_err();
    assert!(matches!(large, StoreError::TooLarge { .. }) && large.to_string().contains("object"), "{large}");
}

async fn notices_changes(store: &dyn Store) {
    store.put("object", "first".into()).await.unwrap();
    let tag = store.head("object").await.unwrap().unwrap().tag;
    assert_eq!(all(store.get_if("object", Some(1..3), Some(&tag)).await.unwrap()).await, b"ir");
    tokio::time::sleep(Duration::from_millis(20)).await;
    store.put("object", "other".into()).await.unwrap();
    let changed = store.get_if("object", None, Some(&tag)).await.err().unwrap();
    assert!(matches!(changed, StoreError::Changed { .. }), "{changed}");
}

async fn checks_and_leaves_nothing(store: &dyn Store) {
    store.check().await.unwrap();
    store.check().await.unwrap();
    assert!(listed(store, "").await.is_empty());
}

async fn uploads_files(store: &dyn Store) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let content = noise(9 * MIB);
    std::fs::write(file.path(), &content).unwrap();
    assert_eq!(store.put_file("a.mp4", file.path()).await.unwrap(), content.len() as u64);
    assert!(store.get_bytes("a.mp4", 1 << 30).await.unwrap() == content);
    let missing = store.put_file("a.mp4", &file.path().join("nothing")).await.unwrap_err();
    assert!(missing.to_string().contains("nothing"), "{missing}");
}

#[tokio::test]
async fn folders_have_no_other_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = file_store(&folder);
    leaves_nothing_of_aborted_streams(&store).await;
    store.check().await.unwrap();
    store.put("a/b/c", "x".into()).await.unwrap();
    store.copy("a/b/c", "a/b/d").await.unwrap();
    store.copy("a/b/c", "a/b/d").await.unwrap();
    store.delete(&["a/b/c", "a/b/d"]).await.unwrap();
    let root = folder.path().join("made/on/demand");
    let left: Vec<_> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");

    std::fs::create_dir(root.join("x")).unwrap();
    std::fs::write(root.join("x/.tmp-killed"), "half").unwrap();
    assert!(listed(&store, "").await.is_empty());
    assert_eq!(store.sweep("", Duration::from_secs(3600)).await.unwrap(), 0);
    assert_eq!(store.sweep("y/", Duration::ZERO).await.unwrap(), 0);
    assert_eq!(store.sweep("x/", Duration::ZERO).await.unwrap(), 1);
}

#[tokio::test]
async fn links_do_not_lead_out_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::new(folder.path().join("root")).unwrap();
    store.put("inside", "x".into()).await.unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("root/out")).unwrap();
    std::fs::write(folder.path().join("secret"), "s").unwrap();
    for result in [
        store.get("out/secret", None).await.map(drop),
        store.put("out/new", "x".into()).await,
        store.put("out/deeper/new", "x".into()).await,
        store.delete(&["out/secret"]).await,
    ] {
        assert!(matches!(result, Err(StoreError::Refused { .. })), "{result:?}");
    }
    assert_eq!(listed(&store, "").await, ["inside"]);
}

#[tokio::test]
async fn aborted_uploads_leave_no_parts() {
    let Some(server) = server().await else { return };
    let store = server.store("p").unwrap();
    leaves_nothing_of_aborted_streams(&store).await;
    store.check().await.unwrap();
    // A dropped upload is aborted in the background.
    let parts = || files_below(&server.folder().join("test-bucket"));
    for _ in 0..100 {
        if parts().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{:?}", parts());
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// A connection that is cut after 300 KiB, twice, doesn't end a read.
#[tokio::test]
async fn cut_reads_go_on() {
    let Some(server) = server().await else { return };
    let content = noise(2 * MIB);
    server.store("").unwrap().put("object", content.clone().into()).await.unwrap();
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut spec = server.spec();
    spec.s3.endpoint = Some(format!("http://{}", proxy.local_addr().unwrap()));
    let target = server.endpoint().trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        for count in 0.. {
            let (client, _) = proxy.accept().await.unwrap();
            let upstream = tokio::net::TcpStream::connect(&target).await.unwrap();
            tokio::spawn(async move {
                let (mut from_client, mut to_client) = client.into_split();
                let (from_server, mut to_server) = upstream.into_split();
                let limit = if count < 2 { 300 * 1024 } else { u64::MAX };
                let up = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
                let _ = tokio::io::copy(&mut from_server.take(limit), &mut to_client).await;
                up.abort();
            });
        }
    });
    let trusting = GuardPolicy::trusting();
    let store = S3Store::new(&spec, "test-bucket", "", Some(&server.credentials()), &trusting).unwrap();
    assert!(store.get_bytes("object", 1 << 30).await.unwrap() == content);
}

#[tokio::test]
async fn wrong_credentials_are_denied() {
    let Some(server) = server().await else { return };
    let keys = tempfile::tempdir().unwrap();
    std::fs::write(keys.path().join("accessKeyId"), S3Server::ACCESS_KEY).unwrap();
    std::fs::write(keys.path().join("secretAccessKey"), "wrong-and-secret").unwrap();
    let open = |prefix| {
        let trusting = GuardPolicy::trusting();
        S3Store::new(&server.spec(), "test-bucket", prefix, Some(keys.path()), &trusting).unwrap()
    };
    let store = open("p");
    for result in [
        store.check().await,
        store.head("a").await.map(drop),
        store.get("a", None).await.map(drop),
        store.put("a", "x".into()).await,
        store.list("").try_collect::<Vec<_>>().await.map(drop),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::Denied { .. }), "{error:?}");
        assert!(!format!("{error} {error:?} {store:?}").contains("wrong-and-secret"));
    }
}

#[tokio::test]
async fn a_missing_bucket_is_named() {
    let Some(server) = server().await else { return };
    let trusting = GuardPolicy::trusting();
    let store = S3Store::new(&server.spec(), "no-such-bucket", "", Some(&server.credentials()), &trusting).unwrap();
    for result in
        [store.check().await, store.put("a", "x".into()).await, store.list("").try_collect::<Vec<_>>().await.map(drop)]
    {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::NoSuchBucket { .. }), "{error:?}");
        assert!(error.to_string().contains("no-such-bucket"), "{error}");
    }
}

#[tokio::test]
async fn a_stopped_server_is_unavailable() {
    let Some(mut server) = server().await else {
        return;
    };
    let store = server.store("").unwrap();
    server.stop();
    let error = store.put("a", "x".into()).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn a_replaced_source_is_an_error() {
    let Some(server) = server().await else { return };
    let store: Arc<dyn Store> = Arc::new(server.store("in").unwrap());
    store.put("movie.mov", "first".into()).await.unwrap();
    let source = StoreSource::open(store.clone(), "movie.mov").await.unwrap();
    assert_eq!(source.describe().uri, "s3://test-bucket/in/movie.mov");
    assert_eq!(all(source.read(1..100).await.unwrap()).await, b"irst");
    store.put("movie.mov", "other".into()).await.unwrap();
    let changed = source.read(0..5).await.err().unwrap();
    assert!(matches!(changed, StoreError::Changed { .. }), "{changed}");
}
