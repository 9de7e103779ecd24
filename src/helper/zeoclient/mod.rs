//! dh_zeoclient: an application on a ZEO server, from `debian/PKG.zeoclient` to
//! what [`crate::helper::appconfig`] and the programs' descriptions are given,
//! and to the configuration of share/python/zeoclient. Pure.

pub mod description;
