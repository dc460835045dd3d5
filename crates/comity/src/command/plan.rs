//! `comity plan`

use std::net::IpAddr;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use plan::{Balancing, EdgePool, Member, Plan, Topology};

use super::Global;
use crate::configuration;
use crate::failure::Failure;

pub const EXAMPLES: &str = "\
Examples:
  comity plan                              certificate, ports and DNS of ./comity.toml
  comity plan > plan.md                    for the people who run the DNS and the firewall
  comity plan --json | jq .dns
  comity plan --edges 192.0.2.1,10.0.0.1 192.0.2.2,10.0.0.2
  comity plan --edges 192.0.2.1,10.0.0.1 192.0.2.2,10.0.0.2 \\
              --outer balancer --outer-vip 192.0.2.100 --inner balancer --inner-vip 10.0.0.100";

/// Several edges before one home are a pool; one side of it is balanced like the other.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The edges of a pool, each by its outer and its inner address
    #[arg(long, value_name = "OUTER,INNER", num_args = 1.., value_parser = member)]
    edges: Vec<Member>,
    /// How partners are spread over the edges
    #[arg(long, value_name = "WAY", default_value = "dns", requires = "edges")]
    outer: Way,
    /// How the home is spread over the edges
    #[arg(long, value_name = "WAY", default_value = "dns", requires = "edges")]
    inner: Way,
    /// The address of the load balancer for partners
    #[arg(long, value_name = "ADDRESS", required_if_eq("outer", "balancer"))]
    outer_vip: Option<IpAddr>,
    /// The address of the load balancer for the home
    #[arg(long, value_name = "ADDRESS", required_if_eq("inner", "balancer"))]
    inner_vip: Option<IpAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    /// The name has the addresses of all edges
    Dns,
    /// The name has the one address of a load balancer
    Balancer,
}

/// Needs neither a server nor the certificate.
pub fn run(global: &Global, arguments: &PlanArguments) -> Result<ExitCode, Failure> {
    let config = configuration::load_settings(global.config_file())?;
    let topology = Topology { pool: arguments.pool(), ..Topology::from(&config) };
    let plan = Plan::of(&topology);
    global.print(&plan, || print!("{}", plan.markdown()))
}

impl PlanArguments {
    fn pool(&self) -> Option<EdgePool> {
        let (outer, inner) = (balancing(self.outer, self.outer_vip), balancing(self.inner, self.inner_vip));
        (!self.edges.is_empty()).then(|| EdgePool { members: self.edges.clone(), outer, inner })
    }
}

fn balancing(way: Way, vip: Option<IpAddr>) -> Balancing {
    match (way, vip) {
        (Way::Balancer, Some(vip)) => Balancing::Hardware { vip },
        _ => Balancing::Dns,
    }
}

fn member(text: &str) -> Result<Member, String> {
    let told = || format!("{text:?} is not an outer and an inner address, such as 192.0.2.1,10.0.0.1");
    let (outer, inner) = text.split_once(',').ok_or_else(told)?;
    match (outer.parse(), inner.parse()) {
        (Ok(outer), Ok(inner)) => Ok(Member { outer, inner }),
        _ => Err(told()),
    }
}
