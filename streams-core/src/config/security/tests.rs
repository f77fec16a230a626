//! Security settings: what is read, refused, and written back.

use expect_test::{Expect, expect};

use crate::config::{
    ConfigErrors, ConfigWarning, OauthTokens, PemSource, PropertiesText, Sasl, Security,
    StreamsConfig,
};

/// Stands in every place where a secret can be.
const SECRET: &str = "h8nter2";

fn from_lines(lines: &str) -> Result<StreamsConfig, ConfigErrors> {
    let (origin, text) = ("app.properties".to_owned(), lines.to_owned());
    StreamsConfig::builder()
        .application_id("orders")
        .bootstrap_servers("broker:9092")
        .properties(&PropertiesText { origin, text })
        .build()
}

#[track_caller]
fn check(lines: &str, expected: Expect) {
    let text = match from_lines(lines) {
        Ok(config) => {
            let settings = config.security().librdkafka_settings();
            let pairs = settings.iter().map(|(key, value)| format!("{key}={}\n", value.expose()));
            pairs.collect::<String>()
        }
        Err(errors) => errors.iter().map(|error| format!("error: {error}\n")).collect(),
    };
    expected.assert_eq(&text);
}

#[test]
fn javas_names_and_librdkafkas_mean_the_same() {
    let java = from_lines(
        "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"al\\\\\"ice\" password='p;= w';\nssl.truststore.type=PEM\nssl.truststore.location=/ca.pem",
    );
    let librdkafka = from_lines(
        "security.protocol=sasl_ssl\nsasl.mechanisms=PLAIN\nsasl.username=al\"ice\nsasl.password=p;= w\nssl.ca.location=/ca.pem",
    );
    assert_eq!(java.unwrap().security(), librdkafka.unwrap().security());
}

#[test]
fn security_is_written_back_for_librdkafka() {
    check(
        "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"alice\" password=\"pw\";\nssl.endpoint.identification.algorithm=",
        expect![[r#"
            security.protocol=sasl_ssl
            enable.ssl.certificate.verification=true
            ssl.endpoint.identification.algorithm=none
            sasl.mechanism=SCRAM-SHA-512
            sasl.username=alice
            sasl.password=pw
        "#]],
    );
    check(
        "security.protocol=SSL\nssl.keystore.type=PEM\nssl.keystore.location=/client.pem\nssl.key.password=pw\nssl.truststore.certificates=-----BEGIN CERTIFICATE-----",
        expect![[r#"
            security.protocol=ssl
            enable.ssl.certificate.verification=true
            ssl.endpoint.identification.algorithm=https
            ssl.ca.pem=-----BEGIN CERTIFICATE-----
            ssl.certificate.location=/client.pem
            ssl.key.location=/client.pem
            ssl.key.password=pw
        "#]],
    );
    check(
        "",
        expect![[r#"
        security.protocol=plaintext
    "#]],
    );
}

#[test]
fn stores_of_javas_are_refused_with_the_command() {
    check(
        "security.protocol=SSL\nssl.truststore.location=/etc/kafka.truststore.jks\nssl.truststore.password=pw\nssl.keystore.type=PKCS12\nssl.keystore.location=/etc/client.p12\nssl.keystore.password=pw",
        expect![[r#"
            error: 'ssl.truststore.location' (app.properties:2) is not PEM; convert it by `keytool -exportcert -rfc -keystore truststore.jks -alias ALIAS -file ca.pem` and set 'ssl.ca.location'
            error: 'ssl.keystore.location' (app.properties:5) is not PEM; convert it by `openssl pkcs12 -in keystore.p12 -nodes -out client.pem (a JKS file first by keytool -importkeystore -srckeystore keystore.jks -destkeystore keystore.p12 -deststoretype PKCS12)` and set 'ssl.certificate.location' and 'ssl.key.location'
        "#]],
    );
    check(
        "security.protocol=SSL\nssl.truststore.location=/etc/ca.pem",
        expect![[r#"
        error: 'ssl.truststore.location' (app.properties:2) does not go with 'ssl.truststore.type': a store without a type is JKS to Kafka; set the type to PEM
    "#]],
    );
}

#[test]
fn half_a_setting_is_refused() {
    check(
        "security.protocol=SASL_SSL",
        expect![[r#"
        error: 'sasl.mechanism' is not set; Kafka's default, GSSAPI, is not supported; set PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER
    "#]],
    );
    check(
        "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN",
        expect![[r#"
        error: 'sasl.username' is not set; set it, or 'sasl.jaas.config' as in Java
        error: 'sasl.password' is not set; set it, or 'sasl.jaas.config' as in Java
    "#]],
    );
    check(
        "security.protocol=SSL\nssl.certificate.location=/c.pem",
        expect![[r#"
        error: 'ssl.certificate.location' (app.properties:2) does not go with 'ssl.key.location': a certificate needs its private key; set both
    "#]],
    );
    check(
        "sasl.mechanism=PLAIN\nsasl.username=alice\nsasl.password=pw",
        expect![[r#"
        error: 'sasl.mechanism' (app.properties:1) does not go with 'security.protocol': it is not set, and nothing would be secured; set it to SSL, SASL_SSL or SASL_PLAINTEXT
    "#]],
    );
    check(
        "security.protocol=SSL\nenable.ssl.certificate.verification=false",
        expect![[r#"
        error: 'enable.ssl.certificate.verification' (app.properties:2) cannot be set: certificates are always verified; name the authority by 'ssl.ca.location'
    "#]],
    );
    check(
        "security.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER\nsasl.oauthbearer.client.id=me",
        expect![[r#"
            error: 'sasl.oauthbearer.client.credentials.client.secret' is not set; set it, or 'sasl.jaas.config' as in Java
            error: 'sasl.oauthbearer.token.endpoint.url' is not set; set it, or 'sasl.jaas.config' as in Java
        "#]],
    );
}

#[test]
fn a_protocol_or_mechanism_that_is_unknown_hides_no_other_fault() {
    check(
        "security.protocol=TLS\nssl.truststore.location=/etc/kafka.jks\nssl.key.location=/k.pem\nsasl.mechanism=PLAIN\nsasl.username=alice",
        expect![[r#"
            error: value 'TLS' for 'security.protocol' (app.properties:1) must be 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'
            error: 'ssl.truststore.location' (app.properties:2) is not PEM; convert it by `keytool -exportcert -rfc -keystore truststore.jks -alias ALIAS -file ca.pem` and set 'ssl.ca.location'
            error: 'ssl.key.location' (app.properties:3) does not go with 'ssl.certificate.location': a private key needs its certificate; set both
            error: 'sasl.password' is not set; set it, or 'sasl.jaas.config' as in Java
        "#]],
    );
    check(
        "security.protocol=SASL_SSL\nsasl.mechanism=PLANE\nsasl.jaas.config=x.PlainLoginModule\nenable.ssl.certificate.verification=false",
        expect![[r#"
            error: value 'PLANE' for 'sasl.mechanism' (app.properties:2) must be 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512' or 'OAUTHBEARER'
            error: 'enable.ssl.certificate.verification' (app.properties:4) cannot be set: certificates are always verified; name the authority by 'ssl.ca.location'
            error: 'sasl.jaas.config' (app.properties:3) is not of the form 'module required name="value" ...;' with one module; see Kafka's documentation
        "#]],
    );
    check(
        "ssl.keystore.type=PKCS\nssl.keystore.location=/etc/client.p12\nsasl.mechanism=PLAIN\nsasl.password=pw",
        expect![[r#"
            error: value 'PKCS' for 'ssl.keystore.type' (app.properties:1) must be 'JKS', 'PKCS12' or 'PEM'
            error: 'sasl.mechanism' (app.properties:3) does not go with 'security.protocol': it is not set, and nothing would be secured; set it to SSL, SASL_SSL or SASL_PLAINTEXT
            error: 'sasl.username' is not set; set it, or 'sasl.jaas.config' as in Java
        "#]],
    );
    // What is set for another protocol is no fault.
    check(
        "security.protocol=TLS",
        expect![[r#"
        error: value 'TLS' for 'security.protocol' (app.properties:1) must be 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'
    "#]],
    );
}

#[test]
fn contradictions_do_not_show_what_differs() {
    check(
        "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.username=alice\nsasl.password=one\nsasl.jaas.config=x.PlainLoginModule required username=\"alice\" password=\"two\";\nssl.ca.location=/a\nssl.truststore.type=PEM\nssl.truststore.location=/b",
        expect![[r#"
            error: 'ssl.ca.location' (app.properties:6) and 'ssl.truststore.location' (app.properties:8) mean one setting and differ; remove one
            error: 'sasl.password' (app.properties:4) and 'sasl.jaas.config' (app.properties:5) mean one setting and differ; remove one
        "#]],
    );
    check(
        "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-256\nsasl.jaas.config=x.PlainLoginModule required username=\"a\" password=\"b\";",
        expect![[r#"
            error: 'sasl.mechanism' (app.properties:2) does not go with 'sasl.jaas.config': its login module is of another mechanism
        "#]],
    );
}

#[test]
fn login_lines_of_other_forms_are_refused() {
    let lines = |jaas: &str| {
        format!("security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config={jaas}")
    };
    for jaas in [
        "",
        "x.PlainLoginModule",
        "x.PlainLoginModule required username=\"a\" password=\"b\"",
        "x.PlainLoginModule required username=\"a\" password=\"b;",
        "x.PlainLoginModule required username \"a\";",
        "x.PlainLoginModule required username=;",
        "x.PlainLoginModule perhaps username=a;",
        "x.PlainLoginModule required username=a password=b; x.PlainLoginModule required;",
    ] {
        let errors = from_lines(&lines(jaas)).unwrap_err().to_string();
        assert!(errors.contains("is not of the form"), "{errors}");
    }
    check(
        &lines("com.sun.security.auth.module.Krb5LoginModule required;"),
        expect![[r#"
        error: 'sasl.jaas.config' (app.properties:3) names a login module that cannot run here; use PlainLoginModule, ScramLoginModule or OAuthBearerLoginModule
    "#]],
    );
    check(
        &lines("x.ScramLoginModule required username=a password=b tokenauth=true;"),
        expect![[r#"
            error: 'sasl.jaas.config' (app.properties:3) logs in by a delegation token, which is not supported; use a SCRAM user
        "#]],
    );
}

#[test]
fn oauth_clients_are_read_from_either_vocabulary() {
    let common = "security.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER\n";
    let bare = from_lines(common).unwrap();
    assert_eq!(bare.security().sasl(), Some(&Sasl::OauthBearer(OauthTokens::Provided)));
    let line = |options: &str| {
        let config = from_lines(&format!(
            "{common}sasl.jaas.config=x.OAuthBearerLoginModule required {options};"
        ));
        config.unwrap().security().sasl().cloned()
    };
    assert_eq!(line(""), Some(Sasl::OauthBearer(OauthTokens::Provided)));
    let Some(Sasl::OauthBearer(OauthTokens::Unsecured(token))) =
        line("unsecuredLoginStringClaim_sub=\"alice\"")
    else {
        panic!()
    };
    assert_eq!(token.principal, "alice");
    let java = format!(
        "{common}sasl.oauthbearer.token.endpoint.url=https://id/token\nsasl.jaas.config=x.OAuthBearerLoginModule required clientId=\"me\" clientSecret=\"s\" scope=\"kafka\" extension_pool=\"p1\";"
    );
    let librdkafka = format!(
        "{common}sasl.oauthbearer.token.endpoint.url=https://id/token\nsasl.oauthbearer.method=oidc\nsasl.oauthbearer.client.id=me\nsasl.oauthbearer.client.secret=s\nsasl.oauthbearer.scope=kafka\nsasl.oauthbearer.extensions=pool=p1"
    );
    let (java, librdkafka) = (from_lines(&java).unwrap(), from_lines(&librdkafka).unwrap());
    assert_eq!(java.security(), librdkafka.security());
    let fetched = |sasl: &Sasl| matches!(sasl, Sasl::OauthBearer(OauthTokens::Fetched(_)));
    assert!(java.security().sasl().is_some_and(fetched));
}

#[test]
fn keys_inline_are_secrets() {
    let config = from_lines(
        "security.protocol=SSL\nssl.keystore.type=PEM\nssl.keystore.key=KEY\nssl.keystore.certificate.chain=CHAIN",
    );
    let config = config.unwrap();
    let Security::Tls(tls) = config.security() else { panic!("not TLS") };
    let identity = tls.identity.as_ref().unwrap();
    assert!(matches!(&identity.key, PemSource::Inline(key) if key.expose() == "KEY"));
}

#[test]
fn settings_without_effect_are_told() {
    let idle = |lines: &str| {
        let warnings = from_lines(lines).unwrap().warnings().to_vec();
        let keys = warnings.into_iter().filter_map(|warning| match warning {
            ConfigWarning::NoMeaning(keys) => Some(keys),
            _ => None,
        });
        keys.flatten().map(|idle| format!("{}: {}", idle.key, idle.reason)).collect::<Vec<_>>()
    };
    let plain = "sasl.mechanism=PLAIN\nsasl.username=a\nsasl.password=b\n";
    let (of_protocol, of_others) = (
        "'security.protocol' does not call for it",
        "the other settings of security do not call for it",
    );
    assert_eq!(
        idle(&format!(
            "security.protocol=SASL_PLAINTEXT\n{plain}ssl.ca.pem=x\nsasl.oauthbearer.scope=s"
        )),
        [format!("sasl.oauthbearer.scope: {of_others}"), format!("ssl.ca.pem: {of_protocol}")]
    );
    assert_eq!(
        idle(
            "security.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER\nsasl.username=a\nsasl.oauthbearer.extensions=a=b\nssl.key.password=p\nssl.truststore.password=p"
        ),
        [
            format!("sasl.oauthbearer.extensions: {of_others}"),
            format!("sasl.username: {of_others}"),
            format!("ssl.key.password: {of_others}"),
            format!("ssl.truststore.password: {of_others}"),
        ]
    );
    let used = "ssl.keystore.type=PEM\nssl.keystore.key=K\nssl.keystore.certificate.chain=C\nssl.key.password=p\nssl.endpoint.identification.algorithm=https";
    assert_eq!(idle(&format!("security.protocol=SASL_SSL\n{plain}{used}")), [""; 0]);
}

#[test]
fn no_secret_is_ever_shown() {
    let good = [
        format!(
            "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.username={SECRET}\nsasl.password={SECRET}\nssl.key.pem={SECRET}\nssl.certificate.pem={SECRET}\nssl.key.password={SECRET}\nssl.ca.pem={SECRET}\napp.token={SECRET}"
        ),
        format!(
            "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-256\nsasl.jaas.config=x.ScramLoginModule required username=\"{SECRET}\" password=\"{SECRET}\";"
        ),
        format!(
            "security.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER\nsasl.oauthbearer.token.endpoint.url=https://u:{SECRET}@id\nsasl.oauthbearer.client.id={SECRET}\nsasl.oauthbearer.client.secret={SECRET}\nsasl.oauthbearer.extensions=a={SECRET}"
        ),
        format!("security.protocol=PLAINTEXT\nsasl.password={SECRET}\nssl.key.password={SECRET}"),
    ];
    for lines in good {
        let config = from_lines(&lines).unwrap();
        let warnings: Vec<_> = config.warnings().iter().map(ToString::to_string).collect();
        let shown = format!(
            "{config:?} {:?} {} {warnings:?} {:?}",
            config.security(),
            config.explain(),
            config.security().librdkafka_settings()
        );
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

#[test]
fn no_secret_is_shown_by_an_error() {
    let bad = [
        format!("sasl.pasword={SECRET}"),
        format!("consumer.sasl.password={SECRET}"),
        format!("ssl_key={SECRET}\nsasl.oauthbearer.config={SECRET}"),
        format!("security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config={SECRET}"),
        format!(
            "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.username=a\nsasl.password={SECRET}\nsasl.jaas.config=x.PlainLoginModule required username=\"{SECRET}\" password=\"b\";"
        ),
        format!("sasl.password={SECRET}"),
        format!("security.protocol=SSL\nssl.keystore.location=/a\nssl.keystore.password={SECRET}"),
        format!("unknown.key={SECRET}\\u12"),
        format!("sasl.oauthbearer.assertion.private.key.passphrase={SECRET}"),
    ];
    for lines in bad {
        let errors = from_lines(&lines).unwrap_err();
        let shown = format!("{errors} {errors:?}");
        assert!(!shown.contains(SECRET), "{shown}");
    }
    let (origin, text) = ("a".to_owned(), format!("sasl.password={SECRET}"));
    let file = PropertiesText { origin, text };
    let builder = StreamsConfig::builder().set("sasl.password", SECRET).properties(&file);
    assert!(!format!("{builder:?} {file:?}").contains(SECRET));
}

proptest::proptest! {
    #[test]
    fn quoted_passwords_are_read_back(password in "\\PC*") {
        let quoted = password.replace('\\', "\\\\").replace('"', "\\\"");
        let login = format!("x.PlainLoginModule required username=a password=\"{quoted}\";");
        let config = StreamsConfig::builder()
            .application_id("orders")
            .bootstrap_servers("broker:9092")
            .set("security.protocol", "SASL_SSL")
            .set("sasl.mechanism", "PLAIN")
            .set("sasl.jaas.config", login)
            .build()
            .unwrap();
        let credentials = config.security().sasl().and_then(Sasl::credentials).unwrap();
        assert_eq!(credentials.password.expose(), password);
    }
}
