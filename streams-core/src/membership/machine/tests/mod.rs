//! Members against a model of a coordinator, in virtual time.

mod chaos;
mod claims;
mod codes;
mod coordinator;
mod garbage;
mod gone;
mod lasting;
mod leaving;
mod links;
mod node;
mod orders;
mod scenarios;
mod servers;
mod silence;
mod standbys;
mod storm;
mod world;
