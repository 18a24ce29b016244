//! An ordinary user cannot write into the directory while the mount is not there.

use crate::support::World;
use crate::users::{FRIEND, friends_world, in_friends_world};

#[test]
fn a_user_copies_nothing_into_the_directory_without_its_mount() {
    let world = World::new();
    world.photo("a.jpg", 1, 5000);
    let dir = friends_world(&world);
    let script = format!(
        "cat >as_friend <<'END'
         set -eu
         export GPHOTOSFS_API_URL={api} HOME=$PWD/friend
         refused() {{ ! \"$@\" 2>said && grep 'Permission denied' said || {{ echo \"not refused: $*\"; exit 1; }}; }}
         unmounted() {{
             refused mkdir photos/Out
             refused cp ../a.jpg photos/
             refused touch photos/.x
             test \"$(stat -c %a photos)\" = 555
         }}
         cd friend
         ../bin/gphotosfs mount photos
         mkdir photos/A && cp ../a.jpg photos/A/
         ../bin/gphotosfs umount photos
         unmounted
         ../bin/gphotosfs mount photos
         cmp ../a.jpg photos/A/a.jpg
         kill -9 $(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/' .local/state/gphotosfs/default/lock)
         until ../bin/gphotosfs umount photos; do :; done
         unmounted
END
         chmod 644 a.jpg
         setpriv --reuid {FRIEND} --regid {FRIEND} --clear-groups bash as_friend",
        api = world.api_url,
    );
    let outcome = in_friends_world(&dir, &script);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(world.remote("A"), ["a.jpg"]);
}
