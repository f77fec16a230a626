//! Applications on a broker that asks who they are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use streams_core::config::StreamsConfigBuilder;
use streams_core::time::Timestamp;
use streams_kafka::{KafkaStreams, OauthToken, State};

use crate::support::broker::{Broker, Listener, Secured, free_port};
use crate::support::{App, Given, Place, fold};

const USER: &str = "alice";
const PASSWORD: &str = "open-sesame";
const WRONG: &str = "swordfish";
/// How long an authentication is good for.
const SESSION: Duration = Duration::from_secs(2);

/// Certificates that are valid for a day; made by `openssl`, as a user would.
struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    fn new(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let certificates = Self { folder: folder.to_owned() };
        certificates.authority("ca");
        certificates.authority("other");
        // The broker's certificate names 127.0.0.1 and not localhost.
        certificates.signed("broker", "subjectAltName=IP:127.0.0.1");
        certificates.signed("client", "subjectAltName=DNS:client");
        certificates
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    fn openssl(&self, arguments: &str) {
        let mut openssl = Command::new("openssl");
        openssl.current_dir(&self.folder).args(arguments.split(' '));
        let output = openssl.output().unwrap();
        assert!(output.status.success(), "{arguments}: {output:?}");
    }

    fn authority(&self, name: &str) {
        self.openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN={name} -keyout {name}.key -out {name}.pem"
        ));
    }

    fn signed(&self, name: &str, extension: &str) {
        std::fs::write(self.path("extension"), extension).unwrap();
        self.openssl(&format!(
            "req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -days 1 -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile extension -out {name}.pem"
        ));
    }

    fn read(&self, names: &[&str]) -> Vec<u8> {
        names.iter().flat_map(|name| std::fs::read(self.path(name)).unwrap()).collect()
    }
}

/// A broker with ports for passwords, with and without TLS, and one for certificates.
struct World {
    place: Place,
    certificates: Certificates,
    passwords: u16,
    clear: u16,
    mutual: u16,
    _broker: Broker,
}

impl World {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        let certificates = Certificates::new(&folder);
        let [passwords, clear, mutual, inside] = [(); 4].map(|()| free_port());
        let settings = [
            ("SSL_KEYSTORE_TYPE", "PEM".to_owned()),
            ("SSL_KEYSTORE_LOCATION", "/secret/broker.pem".to_owned()),
            ("SSL_TRUSTSTORE_TYPE", "PEM".to_owned()),
            ("SSL_TRUSTSTORE_LOCATION", "/secret/ca.pem".to_owned()),
            ("LISTENER_NAME_MUTUAL_SSL_CLIENT_AUTH", "required".to_owned()),
            ("SASL_ENABLED_MECHANISMS", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER".to_owned()),
            // Sessions end, and are renewed, while the tests run.
            ("CONNECTIONS_MAX_REAUTH_MS", SESSION.as_millis().to_string()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value)).into_iter();
        let logins = ["PASSWORDS", "CLEAR"].into_iter().flat_map(logins);
        let broker = Broker::start_secured(Secured {
            listeners: vec![
                Listener::new(("PASSWORDS", "SASL_SSL"), 9094, passwords),
                Listener::new(("CLEAR", "SASL_PLAINTEXT"), 9096, clear),
                Listener::new(("MUTUAL", "SSL"), 9095, mutual),
                // What it advertises is reached from inside too, for the tool that adds the user.
                Listener::new(("INSIDE", "PLAINTEXT"), inside, inside),
            ],
            settings: settings.chain(logins).collect(),
            files: vec![
                ("/secret/broker.pem", certificates.read(&["broker.key", "broker.pem"])),
                ("/secret/ca.pem", certificates.read(&["ca.pem"])),
            ],
        });
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            add_user(&broker, inside, mechanism);
        }
        let place = Place::on(broker.cluster(), name, 2);
        Self { place, certificates, passwords, clear, mutual, _broker: broker }
    }

    fn config(&self, state: &str, port: u16) -> StreamsConfigBuilder {
        self.place
            .config(&self.place.state(state))
            .bootstrap_servers(format!("127.0.0.1:{port}"))
            .set("ssl.ca.location", self.certificates.path("ca.pem"))
    }

    fn sasl(&self, mechanism: &str, password: &str) -> StreamsConfigBuilder {
        self.config(mechanism, self.passwords)
            .set("security.protocol", "SASL_SSL")
            .set("sasl.mechanism", mechanism)
            .set("sasl.username", USER)
            .set("sasl.password", password)
    }

    /// Passwords without TLS.
    fn clear(&self, mechanism: &str, password: &str) -> StreamsConfigBuilder {
        self.place
            .config(&self.place.state(&format!("clear {mechanism}")))
            .bootstrap_servers(format!("127.0.0.1:{}", self.clear))
            .set("security.protocol", "SASL_PLAINTEXT")
            .set("sasl.mechanism", mechanism)
            .set("sasl.username", USER)
            .set("sasl.password", password)
    }

    fn by_token(&self) -> StreamsConfigBuilder {
        self.config("OAUTHBEARER", self.passwords)
            .set("security.protocol", "SASL_SSL")
            .set("sasl.mechanism", "OAUTHBEARER")
    }

    fn mutual(&self) -> StreamsConfigBuilder {
        self.config("mutual", self.mutual)
            .set("security.protocol", "SSL")
            .set("ssl.certificate.location", self.certificates.path("client.pem"))
            .set("ssl.key.location", self.certificates.path("client.key"))
    }

    fn start(&self, config: StreamsConfigBuilder) -> App {
        App::start(self.place.tally(), config)
    }

    #[track_caller]
    fn fails(&self, config: StreamsConfigBuilder, said: &str) {
        let app = self.start(config);
        let error = app.await_error();
        assert!(error.contains(said), "{error}");
        assert!(!error.contains(PASSWORD) && !error.contains(WRONG), "{error}");
    }
}

/// What a listener needs to log clients in, by each mechanism.
fn logins(listener: &str) -> [(String, String); 4] {
    let module = "org.apache.kafka.common.security";
    let user = format!("username=\"x\" password=\"x\" user_{USER}=\"{PASSWORD}\"");
    let scram = format!("{module}.scram.ScramLoginModule required;");
    let lines = [
        ("OAUTHBEARER", unsecured("broker")),
        ("PLAIN", format!("{module}.plain.PlainLoginModule required {user};")),
        ("SCRAM___SHA___256", scram.clone()),
        ("SCRAM___SHA___512", scram),
    ];
    lines.map(|(mechanism, line)| {
        (format!("LISTENER_NAME_{listener}_{mechanism}_SASL_JAAS_CONFIG"), line)
    })
}

/// The login line of a token that nobody signs.
fn unsecured(user: &str) -> String {
    let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
    format!("{module} required unsecuredLoginStringClaim_sub=\"{user}\";")
}

/// A request may change one mechanism of a user only.
fn add_user(broker: &Broker, port: u16, mechanism: &str) {
    let server = format!("127.0.0.1:{port}");
    let credentials = format!("{mechanism}=[password={PASSWORD}]");
    let tool = ["java", "-cp", "/opt/kafka/libs/*", "kafka.admin.ConfigCommand"];
    let what = ["--entity-type", "users", "--entity-name", USER, "--alter"];
    let how = ["--bootstrap-server", &server, "--add-config", &credentials];
    broker.run(&[&tool[..], &what, &how].concat());
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.certificates.folder);
    }
}

/// One test, for one broker.
#[test]
fn who_has_the_secrets_counts_and_who_has_not_is_told() {
    let world = World::new("secured");
    every_mechanism_counts_and_leaves(&world);
    sessions_are_renewed(&world);
    what_is_wrong_is_said_and_no_secret_is(&world);
    a_program_gives_tokens(&world);
}

fn a_program_gives_tokens(world: &World) {
    let given = Arc::new(AtomicU32::new(0));
    let start = |token: fn() -> String, given: &Arc<AtomicU32>| {
        let given = Arc::clone(given);
        let topology = world.place.tally();
        let streams = KafkaStreams::builder(topology, world.by_token().build().unwrap())
            .token_provider(move || match given.fetch_add(1, Ordering::Relaxed) {
                // As a token server that is away at first.
                0 => Err("the token server is away".into()),
                _ => {
                    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                    let expires = i64::try_from(since.as_millis()).unwrap() + 3_600_000;
                    Ok(OauthToken::new(token(), Timestamp::from_millis(expires), USER))
                }
            })
            .build();
        streams.start().unwrap();
        streams
    };
    let streams = start(good_token, &given);
    streams.wait_for(State::Running, Duration::from_secs(60)).unwrap();
    streams.close(Duration::from_secs(30)).unwrap();
    assert!(given.load(Ordering::Relaxed) < 6, "a token is shared by all clients");
    let streams = start(|| "not.a.token".to_owned(), &given);
    streams.wait_for(State::Error, Duration::from_secs(60)).unwrap();
    let error = streams.error().unwrap().chain();
    assert!(error.contains("refused the credentials of SASL mechanism 'OAUTHBEARER'"), "{error}");
}

/// Unsigned, for a day.
fn good_token() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = format!("{{\"sub\":\"{USER}\",\"iat\":{since},\"exp\":{}}}", since + 86_400);
    let [header, claims] = [r#"{"alg":"none"}"#, &claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{claims}.")
}

fn every_mechanism_counts_and_leaves(world: &World) {
    let mut numbering = fold::Numbering::new(20, 2);
    let configs = [
        world.sasl("PLAIN", PASSWORD),
        world.sasl("SCRAM-SHA-256", PASSWORD),
        world.sasl("SCRAM-SHA-512", PASSWORD),
        world.by_token().set("sasl.jaas.config", unsecured(USER)),
        world.mutual(),
        world.clear("PLAIN", PASSWORD),
        world.clear("SCRAM-SHA-256", PASSWORD),
        world.clear("SCRAM-SHA-512", PASSWORD),
    ];
    for (done, config) in configs.into_iter().enumerate() {
        let records: Vec<Given> = (0..500).map(|_| numbering.next()).collect();
        world.place.cluster.write(&world.place.input, &records);
        let app = world.start(config);
        app.await_running();
        world.place.await_output(500 * (done + 1));
        app.close();
        assert_eq!(world.place.cluster.members(&world.place.application), 0);
    }
}

/// Authentication ends while records are counted, more than once.
fn sessions_are_renewed(world: &World) {
    let app = world.start(world.sasl("SCRAM-SHA-256", PASSWORD));
    app.await_running();
    let since = Instant::now();
    let mut numbering = fold::Numbering::new(20, 2);
    let before: i64 = world.place.cluster.ends(&world.place.output).iter().sum();
    let mut expected = usize::try_from(before).unwrap();
    while since.elapsed() < 3 * SESSION {
        let records: Vec<Given> = (0..20).map(|_| numbering.next()).collect();
        world.place.cluster.write(&world.place.input, &records);
        expected += records.len();
        world.place.await_output(expected);
    }
    assert_eq!(app.streams.state(), State::Running);
    app.close();
}

fn what_is_wrong_is_said_and_no_secret_is(world: &World) {
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let said = format!("refused the credentials of SASL mechanism '{mechanism}'");
        world.fails(world.sasl(mechanism, WRONG), &said);
        world.fails(world.clear(mechanism, WRONG), &said);
    }
    let other = world.sasl("PLAIN", PASSWORD);
    let other = other.set("ssl.ca.location", world.certificates.path("other.pem"));
    world.fails(other, "shows a certificate that is not trusted");
    let by_name = format!("localhost:{}", world.passwords);
    let by_name = world.sasl("PLAIN", PASSWORD).bootstrap_servers(by_name);
    world.fails(by_name, "shows a certificate of another host");
    let bare = world.config("bare", world.mutual).set("security.protocol", "SSL");
    world.fails(bare, "refused the TLS handshake");
    for port in [world.mutual, world.passwords] {
        let at = format!("127.0.0.1:{port}");
        let said = format!(
            "broker '{at}' speaks TLS on this port; set `security.protocol` to SSL or SASL_SSL"
        );
        let plain = world.place.config(&world.place.state("plain")).bootstrap_servers(&*at);
        world.fails(plain, &said);
        world.fails(world.clear("PLAIN", PASSWORD).bootstrap_servers(at), &said);
    }
}
