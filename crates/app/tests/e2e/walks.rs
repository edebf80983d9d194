//! The walk that somebody asks for in the console, of a real registry's folder: the same search as that of the command.

use std::time::{Duration, UNIX_EPOCH};

use stocktake_testbed::{Registry, RegistrySetup, set_modified};

use crate::support::{Console, Database, Installation, Service, eventually};

/// When what lies in a registry was changed, since 1970: in 2020, which is no part of a push any more.
const CHANGED: Duration = Duration::from_secs(1_577_836_800);

const PAGE: &str = "/console/orphans";

/// A registry with something of each kind that nothing refers to.
fn registry() -> Registry {
    let registry = Registry::start(&RegistrySetup::default()).unwrap();
    registry.push_image("group/image", "1.0", true, &[b"needed"]).unwrap();
    let deleted = registry.push_image("group/other", "1.0", true, &[b"deleted", b"shared"]).unwrap();
    registry.delete_manifest("group/other", &deleted.manifest).unwrap();
    registry.push_image("group/other", "2.0", true, &[b"untagged", b"shared"]).unwrap();
    registry.push_image("group/other", "2.0", true, &[b"shared"]).unwrap();
    let begun = registry.request("POST", "/v2/group/layers/blobs/uploads/", &[], &[]).unwrap();
    assert_eq!(begun.status, 202);
    age(&registry);
    registry
}

fn age(registry: &Registry) {
    set_modified(registry.folder(), UNIX_EPOCH + CHANGED).unwrap();
}

fn installation(database: Database, registry: &Registry) -> Installation {
    let root = registry.folder().display().to_string();
    let section = format!("[storages.hub]\nkind = \"registry-directory\"\nroot = {root:?}\n");
    Installation::with(database, &section)
}

/// A service and somebody with this token who has signed in there.
fn serve(installation: &Installation, token: &str) -> (Service, Console) {
    let service = installation.start(&["serve"]);
    let console = Console::sign_in(&service.address(), token);
    (service, console)
}

/// The page once the walk has ended.
fn walked(console: &Console) -> String {
    let ended = |page: &String| page.contains("Walk now") && page.contains("that ended");
    eventually("the walk ends", || Some(console.get(PAGE)).filter(ended))
}

on_both_databases! {
    fn a_walk_in_the_console_finds_in_a_registry_what_the_command_finds(database) {
        let registry = registry();
        let installation = installation(database, &registry);
        let lines = installation.run(&["orphans", "--format", "csv"]).success();
        let pieces: Vec<&str> =
            lines.lines().skip(1).map(|line| line.split(',').nth(1).expect("a path")).collect();
        assert!(pieces.len() >= 6, "{lines}");
        let token = installation.token(&["somebody", "--admin"]);
        let (service, console) = serve(&installation, &token);
        assert!(console.get(PAGE).contains("No walk has ended yet."));
        let notice = console.act(PAGE, &format!("{PAGE}/walk"));
        assert!(console.get(&notice).contains("The walk was asked for."));
        let page = walked(&console);
        let expected = format!("{} pieces of ", pieces.len());
        assert!(page.contains(&expected) && page.contains(" in 1 registry storage, as the walk"), "{page}");
        for piece in &pieces {
            // The page has folders and name of a path apart.
            let name = piece.rsplit('/').next().expect("a name");
            assert!(page.contains(name), "{piece}: {page}");
        }
        assert_eq!(page.matches("<code class=\"path\">").count(), pieces.len(), "{page}");
        service.stop();
    }

    fn a_walk_through_a_registry_outlives_the_service_that_was_at_it(database) {
        let registry = registry();
        let installation = installation(database, &registry);
        let token = installation.token(&["somebody", "--admin"]);
        // Somebody asked, and the service went before it came to it.
        let (service, console) = serve(&installation, &token);
        console.act(PAGE, &format!("{PAGE}/walk"));
        service.kill();
        let (service, console) = serve(&installation, &token);
        let page = walked(&console);
        assert!(page.contains("Manifest that no tag reaches"), "{page}");
        // The next one takes its place.
        registry.push_image("group/image", "1.0", true, &[b"newer"]).unwrap();
        age(&registry);
        console.act(PAGE, &format!("{PAGE}/walk"));
        let more = eventually("another walk ends", || {
            Some(walked(&console)).filter(|next| {
                next.matches("<code class=\"path\">").count() > page.matches("<code class=\"path\">").count()
            })
        });
        assert!(more.contains("<span>group/</span>image@sha256:"), "{more}");
        service.stop();
    }
}
